"""Reconstruction-based augmentation: two stages in one state, its modes, its report, with small networks."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.base import Batch, Metrics, TrainState
from asd_jax.detectors.reconstruction_augmentation import (
    ReconstructionAugmentation,
    ReconstructionAugmentationConfig,
)
from asd_jax.features.logmel import LogMel

CLASSES = 3
STEPS_PER_EPOCH = 4
SMALL = ReconstructionAugmentationConfig(
    clip=WindowPolicy(samples=31 * 128),
    features=dataclasses.replace(LogMel.stgram(), n_fft=256, hop=128, n_mels=32),
    embedding=8,
    projection=12,
    width=4,
    stages=((2, 8, 1, 2),),
    head_channels=8,
    learning_rate=1e-2,
    hold_epochs=1,
    autoencoder_epochs=2,
    autoencoder_rate=1e-2,
    autoencoder_channels=(4, 6, 8),
    latent=10,
)
BOUNDARY = 2 * STEPS_PER_EPOCH


def batch(clips: int = 4) -> Batch:
    noise = np.random.default_rng(0).normal(0, 3000, (clips, SMALL.clip.samples))
    class_id = jnp.arange(clips, dtype=jnp.int32) % CLASSES
    return {
        "waveform": jnp.asarray(noise, jnp.int16),
        "class_id": class_id,
        "candidates": jax.nn.one_hot(class_id, CLASSES, dtype=bool),
    }


def detector(**changes: object) -> ReconstructionAugmentation:
    config = dataclasses.replace(SMALL, **changes)  # type: ignore[arg-type]
    built = config.build(CLASSES, STEPS_PER_EPOCH, 6)
    assert isinstance(built, ReconstructionAugmentation)
    return built


class Trained:
    """A detector trained through both stages on one batch, with the state after every step."""

    def __init__(self) -> None:
        self.model = detector()
        self.traces = 0

        def step(state: TrainState, inputs: Batch) -> tuple[TrainState, Metrics]:
            self.traces += 1
            return self.model.train_step(state, inputs)

        self.step = jax.jit(step)
        self.report = jax.jit(self.model.report)
        self.states = [self.model.init(jax.random.key(0))]
        self.metrics: list[dict[str, float]] = []
        for _ in range(BOUNDARY + 12):
            state, metrics = self.step(self.states[-1], batch())
            self.states.append(state)
            self.metrics.append({name: float(value) for name, value in metrics.items()})


@pytest.fixture(scope="module")
def trained() -> Trained:
    return Trained()


def same(first: Any, second: Any) -> bool:
    pairs = zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


def test_each_stage_trains_its_own_network(trained: Trained) -> None:
    """The autoencoder alone up to the boundary, and then nothing but the classifier: params, statistics, optimiser."""
    start, middle, end = trained.states[0], trained.states[BOUNDARY], trained.states[-1]
    for part in ("params", "statistics", "optimizer"):
        of = [getattr(state, part) for state in (start, middle, end)]
        assert same(of[0]["classifier"], of[1]["classifier"])
        assert not same(of[1]["classifier"], of[2]["classifier"])
        assert same(of[1]["autoencoder"], of[2]["autoencoder"])
        assert part == "statistics" or not same(of[0]["autoencoder"], of[1]["autoencoder"])
    assert int(end.step) == BOUNDARY + 12


def test_the_losses_fall_in_both_stages(trained: Trained) -> None:
    first, second = trained.metrics[:BOUNDARY], trained.metrics[BOUNDARY:]
    assert first[-1]["mse"] < first[0]["mse"]
    assert first[-1]["cross_entropy"] < first[0]["cross_entropy"]
    assert second[-1]["cross_entropy"] < second[0]["cross_entropy"] / 2
    assert all(each["contrast"] == 0.0 for each in first)
    assert all(each["contrast"] > 0.0 for each in second[:3])
    for each in second:
        expected = each["cross_entropy"] + SMALL.contrast_weight * each["contrast"]
        assert each["loss"] == pytest.approx(expected, rel=1e-5)


def test_each_stage_has_its_own_schedule(trained: Trained) -> None:
    """The rate starts anew with the classifier, and falls after its own hold epochs."""
    rates = [each["learning_rate"] for each in trained.metrics]
    np.testing.assert_allclose(rates[: BOUNDARY + 2 * STEPS_PER_EPOCH], 1e-2, rtol=1e-6)
    assert rates[-1] < 0.95e-2


def test_one_compilation_serves_both_stages(trained: Trained) -> None:
    """A run resumes in either stage with the same program."""
    assert trained.traces == 1


def test_report_has_every_score_and_the_embedding(trained: Trained) -> None:
    silence = batch() | {"waveform": jnp.zeros_like(batch()["waveform"])}
    for inputs in (batch(), silence):
        report = trained.report(trained.states[-1], inputs)
        assert set(report) == {*trained.model.score_names, "embedding", "class_log_probabilities"}
        assert report["embedding"].shape == (4, SMALL.projection)
        assert all(np.all(np.isfinite(value)) for value in report.values())
    assert all(report[name].shape == (4,) for name in trained.model.score_names)


def test_silence_is_learned_from_in_both_stages(trained: Trained) -> None:
    silence = batch() | {"waveform": jnp.zeros_like(batch()["waveform"])}
    for state in (trained.states[0], trained.states[BOUNDARY]):
        after, metrics = trained.step(state, silence)
        assert np.isfinite(metrics["gradient_norm"])
        assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(after.params))


def test_unscaled_scoring_is_the_collections_mistake(trained: Trained) -> None:
    """It scores decibels where the classifier learned scaled levels: the same as a unit of 1 decibel."""
    state = trained.states[-1]
    literal = jax.jit(detector(unscaled_scoring=True).report)(state, batch())
    unit = jax.jit(detector(level_unit=1.0).report)(state, batch())
    right = trained.report(state, batch())
    np.testing.assert_allclose(literal["nll"], unit["nll"], rtol=1e-5)
    assert np.max(np.abs(literal["embedding"] - right["embedding"])) > 1e-2


def test_the_modes_hear_what_they_say(trained: Trained) -> None:
    """Each mode's cross-entropy is the classifier's own on what its name says; contrast is the third's alone."""
    state, inputs = trained.states[BOUNDARY], batch()
    waveform, label = inputs["waveform"] / 32768.0, inputs["class_id"]
    level = trained.model.autoencoder.hear(inputs["waveform"])
    frozen = trained.model.autoencoder.network(state.params["autoencoder"])
    reconstruction = frozen(level).reconstruction
    variables = state.params["classifier"], state.statistics["classifier"]
    twice = jnp.concatenate([waveform] * 2), jnp.concatenate([label] * 2)
    classify = jax.jit(trained.model.classifier.objective)
    alone, _ = classify(*variables, waveform, reconstruction, label)
    both, _ = classify(*variables, twice[0], jnp.concatenate([level, reconstruction]), twice[1])
    expected = {"reconstruction": alone, "doubled": both, "doubled+contrastive": both}
    for mode, cross_entropy in expected.items():
        model = detector(augmentation=mode)

        @jax.jit
        def objective(params: Any, statistics: Any, model: Any = model) -> Metrics:
            key = jax.random.key(1)
            _, (_, metrics) = model.objective(
                params, statistics, frozen, waveform, level, label, key
            )
            return metrics

        metrics = objective(*variables)
        assert metrics["cross_entropy"] == pytest.approx(float(cross_entropy), rel=1e-5)
        assert (float(metrics["contrast"]) > 0) == (mode == "doubled+contrastive")


def test_a_training_without_a_second_stage_is_refused() -> None:
    with pytest.raises(ValueError, match="2 epochs leave none of 2 to the classifier"):
        SMALL.build(CLASSES, STEPS_PER_EPOCH, 2)
