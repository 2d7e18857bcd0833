"""The convolutional autoencoder with published weights: outputs, losses and gradients of the collection's code."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from asd_jax.detectors.base import Metrics, TrainState
from asd_jax.detectors.conv_autoencoder import ConvAutoencoder, ConvAutoencoderConfig
from asd_jax.interop.conv_autoencoder import load_weights, rules, sizes
from asd_jax.interop.pytorch import Rule
from tests.golden import Arrays, distance, in_our_layout, load, our_tensor, recorded, under

pytestmark = pytest.mark.golden

BAR = 1e-4
PARTS = {"enc": "encoder", "dec": "decoder"}


@dataclasses.dataclass
class Case:
    """A recorded evaluation, the detector of its sizes and what it computes."""

    name: str
    arrays: Arrays
    tensors: Arrays
    detector: ConvAutoencoder
    state: TrainState
    rules: dict[str, Rule]
    forward: Callable[[Any], dict[str, jax.Array]]

    def errors(self, tensors: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Relative L2 distance of every recorded output."""
        ours = self.forward(load_weights(self.detector, self.state, tensors).params)
        goldens = under(self.arrays, "out/")
        assert set(goldens) == set(ours)
        return {key: distance(ours[key], goldens[key]) for key in goldens}


def tensors_of(arrays: Arrays, prefix: str) -> Arrays:
    """Both networks' tensors under one set of names."""
    return {
        f"{full}.{key}": value
        for part, full in PARTS.items()
        for key, value in under(arrays, f"{prefix}_{part}/").items()
    }


def build(path: Path) -> Case:
    arrays = load(path)
    tensors = tensors_of(arrays, "param")
    config, classes = sizes(tensors, ConvAutoencoderConfig())
    assert classes == int(arrays["cfg/num_class"])
    assert config.features.frames(config.clip.samples) == int(arrays["cfg/input_length"])
    detector = config.build(classes, 1, 1)
    state = detector.init(jax.random.key(0))
    level, label = jnp.asarray(arrays["in/x"][:, 0]), jnp.asarray(arrays["in/label"])

    @jax.jit
    def forward(params: Any) -> dict[str, jax.Array]:
        network = detector.network(params)
        taps = network(level)
        return {
            "z": jnp.moveaxis(taps.latent, -1, 1),
            "pooled": taps.pooled,
            "recon": taps.reconstruction[:, None],
            "arc_logits": network.arcface.logits(taps.pooled, label),
        }

    network_rules = rules(detector.network(state.params))
    return Case(path.name, arrays, tensors, detector, state, network_rules, forward)


@pytest.fixture(scope="module")
def cases(shared: Path) -> list[Case]:
    return [build(path) for path in recorded(shared, "zk_convae*eval*.npz")]


def test_every_output_equals_the_recording(cases: list[Case]) -> None:
    for case in cases:
        errors = case.errors(case.tensors)
        assert {key: error for key, error in errors.items() if error > BAR} == {}, case.name


def test_a_slightly_wrong_tensor_breaks_parity(cases: list[Case]) -> None:
    """Any tensor with every second element off by 1 % leaves the bar.

    Convolutions in front of a normalisation and class centres may be scaled as a whole.
    """
    for case in cases:
        for name in case.tensors:
            wrong = case.tensors[name].copy()
            wrong.ravel()[::2] *= 1.01
            assert max(case.errors(case.tensors | {name: wrong}).values()) > BAR, name


def test_losses_and_every_gradient(cases: list[Case], shared: Path) -> None:
    """One step in float64: both losses within 1e-5, gradients within 1e-3 relative L2."""
    compared = 0
    for case in cases:
        gradients = load(shared / "golden" / case.name.replace("eval", "grad"))
        state, metrics = step(case, np.float64)
        np.testing.assert_allclose(metrics["mse"], gradients["loss/recon_mse"], rtol=1e-5)
        np.testing.assert_allclose(metrics["cross_entropy"], gradients["loss/class_ce"], rtol=1e-5)
        for key, golden in tensors_of(gradients, "grad").items():
            name = key.removesuffix("__norm_sum")
            # Adam's first moment after one step is a tenth of the gradient.
            ours = our_tensor(state.optimizer[0].mu, case.rules, name) * 10
            if name == key:
                assert distance(ours, in_our_layout(case.rules, name, golden)) <= 1e-3, name
            else:
                norm = float(golden[0])
                np.testing.assert_allclose(np.linalg.norm(ours), norm, rtol=1e-3, err_msg=name)
                np.testing.assert_allclose(ours.sum(), golden[1], atol=1e-3 * norm, err_msg=name)
            compared += 1
    assert compared == sum(len(case.rules) for case in cases)


def test_float32_losses(cases: list[Case], shared: Path) -> None:
    for case in cases:
        gradients = load(shared / "golden" / case.name.replace("eval", "grad"))
        _, metrics = step(case, np.float32)
        np.testing.assert_allclose(metrics["mse"], gradients["loss/recon_mse"], rtol=1e-5)
        np.testing.assert_allclose(metrics["cross_entropy"], gradients["loss/class_ce"], rtol=1e-5)


def step(case: Case, precision: Any) -> tuple[TrainState, Metrics]:
    """One step from the recorded weights on the recorded batch."""
    with jax.enable_x64(precision == np.float64):
        tensors = {name: tensor.astype(precision) for name, tensor in case.tensors.items()}
        state = load_weights(case.detector, case.state, tensors)
        level = jnp.asarray(case.arrays["in/x"][:, 0], precision)
        return jax.jit(case.detector.learn)(state, level, jnp.asarray(case.arrays["in/label"]))


def test_weights_of_another_network_are_refused(cases: list[Case]) -> None:
    """The error names the missing tensor, or the shapes that differ."""
    for case in cases:
        for name in ("encoder.arcface.weight", "encoder.encoder_layers.1.weight"):
            fewer = {key: value for key, value in case.tensors.items() if key != name}
            with pytest.raises(ValueError, match=f"{name} is missing"):
                sizes(fewer, case.detector.config)
        wide = dataclasses.replace(case.detector.config, latent=case.detector.config.latent + 1)
        other = wide.build(case.detector.classes, 1, 1)
        with pytest.raises(ValueError, match="the network expects"):
            load_weights(other, other.init(jax.random.key(0)), case.tensors)
        assert isinstance(nnx.state(case.detector.network(case.state.params)), nnx.State)
