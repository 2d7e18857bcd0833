"""The Anomaly Transformer on machine sound: what a step and a report deliver, with a small network."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.anomaly_transformer import AnomalyTransformer, AnomalyTransformerConfig
from asd_jax.detectors.base import Batch, Metrics, TrainState
from asd_jax.features.logmel import LogMel, waveform_from_int16

SAMPLES = 16000
SMALL = AnomalyTransformerConfig(
    clip=WindowPolicy(samples=SAMPLES),
    features=dataclasses.replace(LogMel.dcase2020(), n_mels=16),
    width=16,
    heads=2,
    feed_forward=16,
    layers=2,
    excerpt_frames=12,
    excerpts_per_clip=2,
    minibatch=4,
    temperature=1.0,
    learning_rate=1e-2,
)


def batch(clips: int = 4, seed: int = 0) -> Batch:
    rng = np.random.default_rng(seed)
    tone = np.sin(np.arange(SAMPLES) * np.linspace(0.05, 0.4, clips)[:, None])
    noise = rng.normal(0, 300, (clips, SAMPLES)) + 3000 * tone
    return {
        "waveform": jnp.asarray(noise, jnp.int16),
        "class_id": jnp.zeros(clips, jnp.int32),
        "candidates": jnp.ones((clips, 1), bool),
    }


def detector(**changes: object) -> AnomalyTransformer:
    config = dataclasses.replace(SMALL, **changes)  # type: ignore[arg-type]
    return config.build(classes=1, steps_per_epoch=10, epochs=10)


class Trained:
    """A detector after observing and a few steps on one batch, with its compiled functions."""

    def __init__(self) -> None:
        model = detector()
        self.model = model
        self.traces = 0

        def step(state: TrainState, inputs: Batch) -> tuple[TrainState, Metrics]:
            self.traces += 1
            return model.train_step(state, inputs)

        self.observe = jax.jit(model.observe)
        self.step = jax.jit(step)
        self.report = jax.jit(model.report)
        self.state = self.observe(model.init(jax.random.key(0)), batch())
        self.metrics: list[Metrics] = []
        for _ in range(25):
            self.state, metrics = self.step(self.state, batch())
            self.metrics.append(metrics)


@pytest.fixture(scope="module")
def trained() -> Trained:
    return Trained()


def test_the_loss_falls_on_one_batch(trained: Trained) -> None:
    losses = [float(metrics["loss"]) for metrics in trained.metrics]
    assert losses[-1] < losses[0] / 2
    assert int(trained.state.step) == 25


def test_every_metric_and_parameter_is_finite(trained: Trained) -> None:
    for metrics in trained.metrics:
        assert all(np.isfinite(value) for value in metrics.values())
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(trained.state.params))


def test_a_step_is_compiled_once(trained: Trained) -> None:
    """A state whose types drift from step to step would compile the network again and again."""
    assert trained.traces == 1


def test_observed_statistics_are_those_of_all_frames(trained: Trained) -> None:
    """Merged batch by batch, mean and deviation of every band equal those over all frames at once."""
    model = trained.model
    state = model.init(jax.random.key(0))
    batches = [batch(4, seed) for seed in range(3)]
    for each in batches:
        state = trained.observe(state, each)
    waveform = jnp.concatenate([each["waveform"] for each in batches])
    level = np.asarray(model.config.features(waveform_from_int16(waveform)), np.float64)
    level = level.reshape(-1, level.shape[-1])
    known = state.statistics
    assert float(known["frames"]) == len(level)
    np.testing.assert_allclose(known["mean"], level.mean(axis=0), rtol=1e-5)
    deviation = np.sqrt(known["squares"] / known["frames"])
    np.testing.assert_allclose(deviation, level.std(axis=0), rtol=1e-4)


def test_a_step_learns_from_standardised_frames() -> None:
    """The same sound at another level gives the same loss: bands are centred and scaled by what was observed."""
    model = detector(excerpts_per_clip=0, minibatch=0)
    start = model.init(jax.random.key(0))
    losses = []
    for gain in (1.0, 4.0):
        quieter = batch() | {"waveform": (batch()["waveform"] // 8 * gain).astype(jnp.int16)}
        state = model.observe(start, quieter)
        losses.append(float(model.train_step(state, quieter)[1]["loss"]))
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)


def test_init_depends_on_the_key_alone() -> None:
    first, same, other = (detector().init(jax.random.key(seed)) for seed in (0, 0, 1))
    for a, b in zip(jax.tree.leaves(first.params), jax.tree.leaves(same.params), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(
        np.any(np.asarray(a) != np.asarray(b))
        for a, b in zip(jax.tree.leaves(first.params), jax.tree.leaves(other.params), strict=True)
    )


def test_report_has_every_score_and_the_embedding(trained: Trained) -> None:
    report = trained.report(trained.state, batch())
    assert set(report) == {*trained.model.score_names, "embedding"}
    assert report["embedding"].shape == (4, SMALL.width)
    for name in trained.model.score_names:
        assert report[name].shape == (4,)
        assert np.all(np.isfinite(report[name]))
    assert np.all(report["energy_max"] >= report["energy_top"])
    assert np.all(report["energy_top"] >= report["energy_mean"])


def test_a_report_does_not_depend_on_the_rest_of_the_batch(trained: Trained) -> None:
    """Clips are scored apart, so padding rows are harmless, also where a batch is gone through in parts."""
    whole = trained.report(trained.state, batch(11))
    one = trained.report(trained.state, {key: value[9:10] for key, value in batch(11).items()})
    for key in whole:
        np.testing.assert_allclose(whole[key][9], one[key][0], rtol=1e-3, atol=1e-5)


def test_digital_silence_is_scored_and_learned_from(trained: Trained) -> None:
    """All-zero clips, in training or in test, give finite numbers."""
    silence = batch() | {"waveform": jnp.zeros((4, SAMPLES), jnp.int16)}
    report = trained.report(trained.state, silence)
    assert all(np.all(np.isfinite(value)) for value in report.values())
    state = trained.observe(trained.model.init(jax.random.key(0)), silence)
    state, metrics = trained.step(state, silence)
    assert all(np.isfinite(value) for value in metrics.values())
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(state.params))
    report = trained.report(state, silence)
    assert all(np.all(np.isfinite(value)) for value in report.values())


def test_another_sound_has_the_higher_scores(trained: Trained) -> None:
    """A tone that training never heard is reconstructed worse."""
    normal = trained.report(trained.state, batch(seed=5))
    tone = 3000 * np.sin(np.arange(SAMPLES) * np.linspace(1.0, 2.0, 4)[:, None])
    other = batch() | {"waveform": jnp.asarray(tone, jnp.int16)}
    anomalous = trained.report(trained.state, other)
    for name in ("energy_mean", "energy_max", "reconstruction_mean"):
        assert np.min(anomalous[name]) > np.max(normal[name]), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"excerpt_frames": 1000}, r"holds no excerpt of 1000 frames: enlarge detector\.clip"),
        ({"report_hop": 13}, r"hop of 13 between windows of 12 steps: choose 1 to 12"),
        ({"top_fraction": 0.0}, r"detector\.top_fraction=0\.0"),
        ({"heads": 3}, r"detector\.width=16 cannot be split over 3 heads"),
    ],
)
def test_unfit_settings_are_refused_before_training(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        detector(**changes)


def test_the_rate_halves_every_epoch_from_the_third_on() -> None:
    """Only where asked for, as the published code does in its ten epochs."""
    halved, constant = detector(halve_rate=True), detector()
    steps = jnp.array([0, 10, 19, 20, 30, 99])
    rates = [float(halved.learner.learning_rate(step)) for step in steps]
    np.testing.assert_allclose(rates, 1e-2 * 0.5 ** np.array([0, 0, 0, 1, 2, 8]), rtol=1e-6)
    assert [float(constant.learner.learning_rate(step)) for step in steps] == pytest.approx(
        [1e-2] * 6
    )
