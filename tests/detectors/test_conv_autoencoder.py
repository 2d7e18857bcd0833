"""The convolutional autoencoder on its own: what a step and a report deliver, with a small network."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.base import Batch, Metrics, TrainState
from asd_jax.detectors.conv_autoencoder import ConvAutoencoder, ConvAutoencoderConfig
from asd_jax.features.logmel import LogMel

CLASSES = 3
SMALL = ConvAutoencoderConfig(
    clip=WindowPolicy(samples=31 * 128),
    features=dataclasses.replace(LogMel.stgram(), n_fft=256, hop=128, n_mels=32),
    channels=(4, 6, 8),
    latent=10,
    learning_rate=1e-2,
)


def batch(clips: int = 4) -> Batch:
    noise = np.random.default_rng(0).normal(0, 3000, (clips, SMALL.clip.samples))
    class_id = jnp.arange(clips, dtype=jnp.int32) % CLASSES
    return {
        "waveform": jnp.asarray(noise, jnp.int16),
        "class_id": class_id,
        "candidates": jax.nn.one_hot(class_id, CLASSES, dtype=bool),
    }


def detector(**changes: object) -> ConvAutoencoder:
    return dataclasses.replace(SMALL, **changes).build(CLASSES, 10, 10)  # type: ignore[arg-type]


class Trained:
    """A detector after some steps on one batch, with its compiled functions."""

    def __init__(self) -> None:
        self.model = detector()
        self.traces = 0

        def step(state: TrainState, inputs: Batch) -> tuple[TrainState, Metrics]:
            self.traces += 1
            return self.model.train_step(state, inputs)

        self.step = jax.jit(step)
        self.report = jax.jit(self.model.report)
        self.state = jax.jit(self.model.init)(jax.random.key(0))
        self.metrics: list[dict[str, float]] = []
        for _ in range(12):
            self.state, metrics = self.step(self.state, batch())
            self.metrics.append({name: float(value) for name, value in metrics.items()})


@pytest.fixture(scope="module")
def trained() -> Trained:
    return Trained()


def test_both_parts_of_the_loss_fall_on_one_batch(trained: Trained) -> None:
    first, last = trained.metrics[0], trained.metrics[-1]
    assert last["mse"] < first["mse"] / 2
    assert last["cross_entropy"] < first["cross_entropy"] / 2
    assert first["loss"] == pytest.approx(first["mse"] + first["cross_entropy"], rel=1e-6)
    assert int(trained.state.step) == 12


def test_a_step_is_compiled_once(trained: Trained) -> None:
    """A state whose types drift from step to step would compile the network again and again."""
    assert trained.traces == 1


def test_without_class_weight_only_the_reconstruction_is_learned() -> None:
    model = detector(class_weight=0.0)
    state = jax.jit(model.init)(jax.random.key(0))
    after, metrics = jax.jit(model.train_step)(state, batch())
    assert metrics["loss"] == metrics["mse"]
    np.testing.assert_array_equal(
        after.params["arcface"]["weight"][...], state.params["arcface"]["weight"][...]
    )


def test_report_has_every_score_and_the_embedding(trained: Trained) -> None:
    report = trained.report(trained.state, batch())
    assert set(report) == {*trained.model.score_names, "embedding", "class_log_probabilities"}
    assert report["embedding"].shape == (4, SMALL.latent)
    for name in trained.model.score_names:
        assert report[name].shape == (4,)
        assert np.all(np.isfinite(report[name]))
    assert np.all(report["nll_margin"] >= report["nll"])


def test_another_class_is_less_likely_and_equally_reconstructed(trained: Trained) -> None:
    """The likelihood is the candidate's; the reconstruction does not know of classes."""
    wrong = jnp.roll(batch()["candidates"], 1, axis=1)
    right, other = (
        trained.report(trained.state, batch() | {"candidates": candidates})
        for candidates in (batch()["candidates"], wrong)
    )
    assert np.all(other["nll"] > right["nll"])
    np.testing.assert_array_equal(other["mse"], right["mse"])


def test_a_report_does_not_depend_on_the_rest_of_the_batch(trained: Trained) -> None:
    whole = trained.report(trained.state, batch())
    one = trained.report(trained.state, {key: value[2:3] for key, value in batch().items()})
    for key in whole:
        np.testing.assert_allclose(whole[key][2], one[key][0], rtol=1e-4, atol=1e-5)


def test_silence_is_heard_and_learned_from(trained: Trained) -> None:
    """Digital silence gives finite scores, and a finite gradient."""
    silence = batch() | {"waveform": jnp.zeros_like(batch()["waveform"])}
    report = trained.report(trained.state, silence)
    assert all(np.all(np.isfinite(value)) for value in report.values())
    after, metrics = trained.step(trained.state, silence)
    assert np.isfinite(metrics["gradient_norm"])
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(after.params))


@pytest.mark.parametrize(
    ("samples", "message"), [(40 * 128, "41 frames do not fit, 40 do"), (2000, "16 frames")]
)
def test_windows_that_cannot_be_halved_are_refused(samples: int, message: str) -> None:
    """The error names the nearest number of frames that fits."""
    with pytest.raises(ValueError, match=message):
        detector(clip=WindowPolicy(samples=samples))
