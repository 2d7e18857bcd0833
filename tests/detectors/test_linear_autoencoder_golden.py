"""The dense autoencoder with published weights: outputs, loss, gradients, statistics, and the triplet loss."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asd_jax.detectors.base import Metrics, TrainState
from asd_jax.detectors.linear_autoencoder import LinearAutoencoder, LinearAutoencoderConfig
from asd_jax.detectors.triplet_loss import triplet_loss
from asd_jax.interop.linear_autoencoder import UNUSED, load_weights, rules, sizes
from tests.golden import Arrays, distance, in_our_layout, load, our_tensor, recorded, under

pytestmark = pytest.mark.golden

BAR = 1e-4


@dataclasses.dataclass
class Case:
    """A recorded network and the detector of its sizes."""

    name: str
    arrays: Arrays
    tensors: Arrays
    detector: LinearAutoencoder
    state: TrainState

    def errors(self, tensors: Arrays) -> dict[str, float]:
        """Relative L2 distance of every recorded output."""
        state = load_weights(self.detector, self.state, tensors)
        network = self.detector.network(state.params, state.statistics)
        reconstruction, bottleneck = network(jnp.asarray(self.arrays["in/x"]), train=False)
        ours = {"out/recon": reconstruction, "out/z": bottleneck}
        return {key: distance(value, self.arrays[key]) for key, value in ours.items()}

    def step(self, precision: Any) -> tuple[TrainState, Metrics]:
        """One step from the recorded weights on the recorded batch, without contrast."""
        with jax.enable_x64(precision == np.float64):
            tensors = {name: tensor.astype(precision) for name, tensor in self.tensors.items()}
            state = load_weights(self.detector, self.state, tensors)
            vectors = jnp.asarray(self.arrays["in/x"], precision)
            class_id = jnp.zeros(len(vectors), jnp.int32)
            return jax.jit(self.detector.learn)(state, vectors, class_id, jax.random.key(0))


def build(path: Path) -> Case:
    arrays = load(path)
    tensors = under(arrays, "param/")
    config, classes = sizes(tensors, LinearAutoencoderConfig(contrast_weight=0.0))
    assert classes == 0
    detector = config.build(classes, 1, 1)
    return Case(path.name, arrays, tensors, detector, detector.init(jax.random.key(0)))


@pytest.fixture(scope="module")
def cases(shared: Path) -> list[Case]:
    return [build(path) for path in recorded(shared, "zk_linear_ae*.npz")]


def test_every_output_equals_the_recording(cases: list[Case]) -> None:
    for case in cases:
        assert max(case.errors(case.tensors).values()) <= BAR, case.name


def test_a_slightly_wrong_tensor_breaks_parity(cases: list[Case]) -> None:
    """Any tensor off by 1 % leaves the bar, but for the covariance that the network does not read."""
    for case in cases:
        for name in set(case.tensors) - {UNUSED}:
            wrong = case.tensors | {name: (case.tensors[name] * 1.01).astype(np.float32)}
            assert max(case.errors(wrong).values()) > BAR, name


def test_loss_gradients_and_batch_statistics(cases: list[Case]) -> None:
    """One step in float64: loss and running statistics within 1e-5, gradients within 1e-3.

    A bias in front of a batch normalisation has no gradient in exact arithmetic: it is compared absolutely.
    """
    for case in cases:
        state, metrics = case.step(np.float64)
        network_rules = rules(case.detector.network(state.params, state.statistics))
        np.testing.assert_allclose(metrics["mse"], case.arrays["train/loss"], rtol=1e-5)
        assert metrics["loss"] == metrics["mse"]
        goldens = under(case.arrays, "grad/")
        total = np.linalg.norm([np.linalg.norm(golden) for golden in goldens.values()])
        for name, golden in goldens.items():
            ours = our_tensor(state.optimizer.mu, network_rules, name) * 10
            golden_here = in_our_layout(network_rules, name, golden)
            if np.linalg.norm(ours) < 1e-6 * total:
                assert np.linalg.norm(golden_here) <= 1e-5 * total, name
            else:
                assert distance(ours, golden_here) <= 1e-3, name
        for name, golden in under(case.arrays, "bn_after_1/").items():
            ours = our_tensor(state.statistics, network_rules, name)
            assert distance(ours, in_our_layout(network_rules, name, golden)) <= 1e-5, name
        assert set(map(str, case.arrays["grad__none"])) == {UNUSED}


def test_float32_loss_and_batch_statistics(cases: list[Case]) -> None:
    for case in cases:
        state, metrics = case.step(np.float32)
        network_rules = rules(case.detector.network(state.params, state.statistics))
        np.testing.assert_allclose(metrics["mse"], case.arrays["train/loss"], rtol=1e-5)
        for name, golden in under(case.arrays, "bn_after_1/").items():
            ours = our_tensor(state.statistics, network_rules, name)
            assert distance(ours, in_our_layout(network_rules, name, golden)) <= 1e-4, name


def test_the_triplet_loss_equals_the_recorded_one(cases: list[Case]) -> None:
    """Squared distances, margin 1; distances without the square would be 0.88 instead of 9.26."""
    for case in cases:
        anchor, positive, negative = (
            jnp.asarray(case.arrays[f"contrast/{key}"]) for key in ("anchor", "pos", "neg")
        )
        losses = triplet_loss(anchor, positive, negative)
        np.testing.assert_allclose(
            jnp.mean(losses), case.arrays["contrast/loss_margin1"], rtol=1e-5
        )


def test_weights_of_another_network_are_refused(cases: list[Case]) -> None:
    for case in cases:
        for name in ("encoder.0.weight", "encoder.1.running_mean"):
            fewer = {key: value for key, value in case.tensors.items() if key != name}
            with pytest.raises(ValueError, match="is missing"):
                sizes(fewer, case.detector.config)
        with pytest.raises(ValueError, match="no whole number of frames"):
            sizes(case.tensors | {UNUSED: np.zeros((7, 7))}, case.detector.config)
        fewer = {key: value for key, value in case.tensors.items() if key != "decoder.1.bias"}
        with pytest.raises(ValueError, match=r"missing \['decoder.1.bias'\]"):
            load_weights(case.detector, case.state, fewer)
