"""The dense autoencoders compute and learn as the published code does, in Keras (2020, 2021) and PyTorch (2023)."""

import dataclasses
import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from asd_jax.detectors.base import TrainState
from asd_jax.detectors.dense_autoencoder import (
    DenseAutoencoder,
    DenseAutoencoderConfig,
    DenseAutoencoderNetwork,
)
from asd_jax.features.logmel import LogMel
from asd_jax.interop.dense_autoencoder import keras_rules, load_weights, rules, sizes
from asd_jax.interop.pytorch import Rule
from tests.golden import (
    Arrays,
    distance,
    figures,
    in_our_layout,
    load,
    our_tensor,
    recorded,
    scaled,
    under,
)

pytestmark = pytest.mark.golden

PATTERNS = ("keras_dense_ae*.npz", "ntt_ae_mahala*.npz")
COVARIANCES = {"cov_source", "cov_target"}


@dataclasses.dataclass
class Recording:
    """One file, and a detector of its sizes with its weights."""

    name: str
    arrays: Arrays
    detector: DenseAutoencoder
    rules: dict[str, Rule]

    def loaded(self, precision: type = np.float32, changed: Arrays | None = None) -> TrainState:
        tensors = under(self.arrays, "param/") | (changed or {})
        state = self.detector.init(jax.random.key(0))
        cast: Arrays = {name: tensor.astype(precision) for name, tensor in tensors.items()}
        return load_weights(self.detector, state, cast)

    @functools.cached_property
    def forward(self):
        """The network in evaluation, compiled once: state and vectors to reconstruction and bottleneck."""

        def run(state: TrainState, vectors: jax.Array) -> tuple[jax.Array, jax.Array]:
            network = self.detector.network(state)
            return network(vectors, train=False)

        return jax.jit(run)

    @property
    def heard(self) -> list[list[np.ndarray]]:
        """Vectors, their reconstruction, their bottleneck and the clip's score, for every recorded clip."""
        arrays = self.arrays
        if "in/x" in arrays:
            names = ("in/x", "out/recon", "out/bottleneck", "score/clip_2021")
            return [[arrays[name] for name in names]]
        clips = sorted(key.split("/")[0] for key in arrays if key.endswith("/mse_score"))
        parts = ("x", "recon", "z", "mse_score")
        return [[arrays[f"{clip}/{part}"] for part in parts] for clip in clips]

    @property
    def training_batch(self) -> np.ndarray:
        return self.arrays["in/x"] if "in/x" in self.arrays else self.arrays["in/x_batches"][0]


def recording(path: Path) -> Recording:
    arrays = load(path)
    start = DenseAutoencoderConfig()
    if "in/x" in arrays:
        # Keras's file does not tell frames from mel bands, and its results do not depend on them.
        mel = LogMel.dcase2020(n_mels=arrays["in/x"].shape[1])
        start = DenseAutoencoderConfig(features=mel, stack_frames=1)
    config, classes = sizes(under(arrays, "param/"), start)
    assert classes == 0
    if "cfg/lr_beta1_beta2_eps" in arrays:
        rate, momentum = arrays["cfg/lr_beta1_beta2_eps"][0], 1 - arrays["cfg/bn_momentum_eps"][0]
        config = dataclasses.replace(config, learning_rate=float(rate), momentum=float(momentum))
    if "cfg/n_mels_frames" in arrays:
        told = [config.features.n_mels, config.stack_frames]
        assert told == arrays["cfg/n_mels_frames"].tolist()
    detector = config.build(classes=0, steps_per_epoch=1, epochs=1)
    find_rules = keras_rules if config.framework == "keras" else rules
    network = DenseAutoencoderNetwork(config, rngs=nnx.Rngs(0))
    return Recording(path.stem, arrays, detector, find_rules(network))


@pytest.fixture(scope="module")
def recordings(shared: Path) -> list[Recording]:
    return [recording(path) for pattern in PATTERNS for path in recorded(shared, pattern)]


def worst_output(recording: Recording, state: TrainState) -> float:
    """Largest relative distance of reconstructions and bottlenecks."""
    errors = []
    for vectors, reconstruction, bottleneck, _ in recording.heard:
        ours = recording.forward(state, vectors)
        errors += [distance(ours[0], reconstruction), distance(ours[1], bottleneck)]
    return max(errors)


def test_reconstruction_and_bottleneck(recordings: list[Recording]) -> None:
    for recording in recordings:
        assert worst_output(recording, recording.loaded()) < 1e-5, recording.name


def test_scores_of_clips_and_vectors(recordings: list[Recording]) -> None:
    for recording in recordings:
        state = recording.loaded()
        for vectors, _, bottleneck, score in recording.heard:
            reports = recording.detector.report_vectors(state, jnp.asarray(vectors)[None])
            np.testing.assert_allclose(reports["mse"], [score], rtol=1e-5)
            assert distance(reports["embedding"][0], bottleneck.mean(axis=0)) < 1e-5
        if "score/per_vector" in recording.arrays:
            alone = jnp.asarray(recording.arrays["in/x"])[:, None]
            each = recording.detector.report_vectors(state, alone)["mse"]
            np.testing.assert_allclose(each, recording.arrays["score/per_vector"], rtol=1e-5)


def test_every_tensor_matters(recordings: list[Recording]) -> None:
    """A weight or a statistic that is 1 % off leaves the bar of the outputs; the covariances take no part in them."""
    for recording in recordings:
        for name, tensor in under(recording.arrays, "param/").items():
            if name not in COVARIANCES:
                error = worst_output(recording, recording.loaded(changed={name: scaled(tensor)}))
                assert error > 1e-4, (recording.name, name, error)


@dataclasses.dataclass
class Steps:
    """Three steps on the recorded batch.

    In float32 a rectifier's input within rounding of zero may change sides, which no implementation controls: what
    went through gradients has wider bars there.
    """

    is_exact: bool
    losses: list[float]
    states: list[TrainState]
    gradients: object


def train(recording: Recording, precision: type, changed: Arrays | None = None) -> Steps:
    with jax.enable_x64(precision == np.float64):
        states = [recording.loaded(precision, changed)]
        batch = jnp.asarray(recording.training_batch, precision)
        first = states[0]
        gradients, _ = jax.jit(jax.grad(recording.detector.objective, has_aux=True))(
            first.params, first.statistics, batch
        )
        learn = jax.jit(recording.detector.learn)
        losses = []
        for _ in recording.arrays["train/loss_steps"]:
            state, metrics = learn(states[-1], batch)
            states.append(state)
            losses.append(float(metrics["loss"]))
    return Steps(precision == np.float64, losses, states, gradients)


@pytest.fixture(scope="module", params=[np.float64, np.float32], ids=["float64", "float32"])
def trained(request: pytest.FixtureRequest, recordings: list[Recording]):
    return [(recording, train(recording, request.param)) for recording in recordings]


def gradient_sizes(recording: Recording) -> tuple[dict[str, float], float]:
    """Norm of every tensor's gradient, and of all of them together."""
    gradients = under(recording.arrays, "grad/")
    norms = {name: float(np.linalg.norm(value)) for name, value in gradients.items()}
    return norms, float(np.linalg.norm(list(norms.values())))


def recorded_noise(recording: Recording) -> dict[str, float]:
    """What float32 costs each gradient of the published code, where it was recorded."""
    if "noise/grad_names" not in recording.arrays:
        return {}
    found = figures(recording.arrays, "noise/grad_names", "noise/grad_rel_l2_f32_vs_f64")
    return {name.removeprefix("grad/"): value for name, value in found.items()}


def test_losses(trained: list[tuple[Recording, Steps]]) -> None:
    for recording, steps in trained:
        golden = recording.arrays["train/loss_steps"]
        np.testing.assert_allclose(steps.losses, golden, rtol=1e-5, err_msg=recording.name)


def test_gradients(trained: list[tuple[Recording, Steps]]) -> None:
    """Relative L2 distance at most 1e-3 (float32: 2e-2), or 20 times the recorded noise where that is known.

    A shift in front of a normalisation has no gradient in exact arithmetic: it is compared absolutely.
    """
    for recording, steps in trained:
        norms, total = gradient_sizes(recording)
        noise = recorded_noise(recording)
        for name, tensor in under(recording.arrays, "grad/").items():
            golden = in_our_layout(recording.rules, name, tensor)
            ours = our_tensor(steps.gradients, recording.rules, name)
            if norms[name] < 1e-5 * total:
                assert np.linalg.norm(ours - golden) <= 1e-5 * total, name
            else:
                bar = 1e-3 if steps.is_exact else 2e-2
                assert distance(ours, golden) <= max(bar, 20 * noise.get(name, 0)), name


def test_batch_statistics(trained: list[tuple[Recording, Steps]]) -> None:
    """Keras records the biased variance, PyTorch the unbiased one."""
    for recording, steps in trained:
        for name, tensor in under(recording.arrays, "bn_after_1/").items():
            golden = in_our_layout(recording.rules, name, tensor)
            ours = our_tensor(steps.states[1].statistics, recording.rules, name)
            assert distance(ours, golden) <= 1e-5, name
            golden = in_our_layout(recording.rules, name, recording.arrays[f"adam3/{name}"])
            ours = our_tensor(steps.states[-1].statistics, recording.rules, name)
            assert distance(ours, golden) <= 1e-3, name


def test_parameters_after_three_steps(trained: list[tuple[Recording, Steps]]) -> None:
    """Within 10 % of the rate where the first gradient is more than rounding noise: Adam's steps have its sign.

    These are almost all elements of every tensor that has a gradient at all (float32: 99 % of them).
    """
    for recording, steps in trained:
        norms, total = gradient_sizes(recording)
        rate = recording.detector.config.learning_rate
        for name, tensor in under(recording.arrays, "grad/").items():
            if norms[name] < 1e-5 * total:
                continue
            gradient = np.abs(in_our_layout(recording.rules, name, tensor))
            stable = gradient > 1e-2 * np.sqrt(np.mean(gradient**2))
            golden = in_our_layout(recording.rules, name, recording.arrays[f"adam3/{name}"])
            before = in_our_layout(recording.rules, name, recording.arrays[f"param/{name}"])
            ours = our_tensor(steps.states[-1].params, recording.rules, name)
            assert stable.mean() > 0.5, name
            assert np.abs(golden - before)[stable].mean() > rate, name
            is_near = np.abs(ours - golden)[stable] <= 0.1 * rate
            assert is_near.all() if steps.is_exact else is_near.mean() > 0.99, name


def test_covariances_have_no_gradient(recordings: list[Recording]) -> None:
    """Training leaves the published code's covariances alone, which is why the network here goes without them."""
    for recording in recordings:
        if "grad__none" in recording.arrays:
            assert {*recording.arrays["grad__none"]} == COVARIANCES
            for name in COVARIANCES:
                before, after = (recording.arrays[f"{when}/{name}"] for when in ("param", "adam3"))
                np.testing.assert_array_equal(before, after)


def test_training_notices_a_changed_tensor(recordings: list[Recording]) -> None:
    """A scale or a last-layer tensor that is 1 % off moves the first loss out of its bar."""
    for recording in recordings:
        last = {"keras": "dense_9/kernel", "pytorch": "decoder.12.weight"}
        name = last[recording.detector.config.framework]
        tensor = recording.arrays[f"param/{name}"]
        steps = train(recording, np.float32, {name: scaled(tensor)})
        golden = recording.arrays["train/loss_steps"]
        assert abs(steps.losses[0] / golden[0] - 1) > 1e-5
