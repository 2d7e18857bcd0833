"""Explanations: every detector's relevance adds up to its score and lies where the strange sound is."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asd_jax.detectors.base import Batch, Detector, Explanation, TrainState
from asd_jax.detectors.relevance import integrated_gradients, rejoined
from asd_jax.features.logmel import waveform_from_int16
from tests.small_detectors import CONFIGS, FEATURES, SAMPLES

RATE = 16000
BURST_HZ, BURST_SECONDS = 3000.0, (0.45, 0.6)
CLASSES = 2

ERRORS = [name for name in CONFIGS if name.endswith(("autoencoder", "ad", "transformer"))]
# It explains as STgram-MFN does, on other levels, but takes longer to train.
UNTRAINED = ("reconstruction_augmentation",)
STEPS = 60
CLASSIFIERS = [name for name in CONFIGS if name not in ERRORS]


def noise(clips: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1000, (clips, SAMPLES))


def tone(level: float = 3000.0) -> np.ndarray:
    return level * np.sin(2 * np.pi * BURST_HZ * np.arange(SAMPLES) / RATE)


def burst() -> np.ndarray:
    seconds = np.arange(SAMPLES) / RATE
    return tone(6000.0) * ((seconds > BURST_SECONDS[0]) & (seconds < BURST_SECONDS[1]))


def batch(waveform: np.ndarray, class_id: np.ndarray | None = None) -> Batch:
    ids = jnp.asarray(np.zeros(len(waveform), np.int32) if class_id is None else class_id)
    normals = np.broadcast_to(noise(4, seed=7), (len(waveform), 4, SAMPLES))
    return {
        "waveform": jnp.asarray(waveform, jnp.int16),
        "class_id": ids,
        "candidates": jax.nn.one_hot(ids, CLASSES, dtype=bool),
        "normal_waveform": jnp.asarray(normals, jnp.int16),
    }


class Trained:
    """A detector that learned noise, or to tell noise from noise with a tone, in some steps."""

    def __init__(self, name: str) -> None:
        model = CONFIGS[name].build(CLASSES, 30, 2)
        state = model.init(jax.random.key(0))
        steps = 0 if name in UNTRAINED else STEPS
        class_id = np.arange(8, dtype=np.int32) % CLASSES
        toned = np.where(class_id[:, None] == 1, tone(), 0.0) if name in CLASSIFIERS else 0.0
        step, observe = jax.jit(model.train_step), jax.jit(model.observe)
        for i in range(steps):
            inputs = batch(noise(8, seed=100 + i % 6) + toned, class_id)
            if model.observes_training_data and i < 6:
                state = observe(state, inputs)
            state, _ = step(state, inputs)
        self.model: Detector = model
        self.state: TrainState = state
        self.explain: Callable[..., Explanation] = jax.jit(model.explain)
        self.report: Callable[..., dict[str, jax.Array]] = jax.jit(model.report)


@pytest.fixture(scope="module", params=list(CONFIGS))
def trained(request: pytest.FixtureRequest) -> tuple[str, Trained]:
    return request.param, Trained(request.param)


def region() -> tuple[slice, slice]:
    """Frames and mel bands that the burst reaches."""
    margin = FEATURES.n_fft / 2 / RATE
    first, last = BURST_SECONDS[0] - margin, BURST_SECONDS[1] + margin
    frames = slice(int(first * RATE / FEATURES.hop), int(last * RATE / FEATURES.hop) + 2)
    near = np.flatnonzero(np.abs(FEATURES.band_centers() - BURST_HZ) < 500)
    return frames, slice(near[0], near[-1] + 1)


def test_an_explanation_adds_up_is_finite_and_lies_where_the_burst_is(
    trained: tuple[str, Trained],
) -> None:
    """One test for each detector, since training it takes longest."""
    name, detector = trained
    clean, strange = noise(2, seed=50), noise(2, seed=50) + burst()
    found = detector.explain(detector.state, batch(strange))
    frames = FEATURES.frames(SAMPLES)
    assert found.log_mel.shape == found.relevance.shape == (2, frames, FEATURES.n_mels)
    expected = FEATURES(waveform_from_int16(batch(strange)["waveform"]))
    np.testing.assert_allclose(found.log_mel, expected, atol=2e-3)
    check_sum(name, detector, batch(strange), np.asarray(found.relevance))

    beside = np.stack([noise(1, seed=3)[0], strange[1]])
    alone = detector.explain(detector.state, batch(beside))
    difference = np.abs(np.asarray(alone.relevance[1]) - np.asarray(found.relevance[1]))
    assert difference.max() < 1e-2 * np.abs(found.relevance[1]).max(), "a clip by itself"

    silent = detector.explain(detector.state, batch(np.zeros((2, SAMPLES))))
    assert np.isfinite(silent.relevance).all()

    if name in UNTRAINED:
        return
    normal = detector.explain(detector.state, batch(clean))
    shares = [share_in_burst(np.asarray(each.relevance)) for each in (normal, found)]
    area = np.prod([s.stop - s.start for s in region()]) / (frames * FEATURES.n_mels)
    assert shares[1] > 3 * area, f"{name}: {shares}, area {area}"
    assert shares[1] > 2 * shares[0]


def share_in_burst(relevance: np.ndarray) -> float:
    frames, mels = region()
    raising = np.maximum(relevance, 0)
    return float(raising[:, frames, mels].sum() / raising.sum())


def check_sum(name: str, detector: Trained, inputs: Batch, relevance: np.ndarray) -> None:
    """What every kind of relevance promises of its sum or mean."""
    if name in CLASSIFIERS:
        difference = log_odds_above_normals(name, detector, inputs)
        np.testing.assert_allclose(relevance.sum((1, 2)), difference, rtol=0.1)
        return
    reports = detector.report(detector.state, inputs)
    score = np.asarray(reports[detector.model.score_names[0]])
    if name in ("conv_autoencoder", "anomaly_transformer"):
        np.testing.assert_allclose(relevance.mean((1, 2)), score, rtol=1e-4)
    elif name == "aegan_ad":
        length, starts = FEATURES.n_mels, np.arange(0, relevance.shape[1] - FEATURES.n_mels + 1, 24)
        total = weighted(relevance, starts, length).sum((1, 2))
        np.testing.assert_allclose(total, score, rtol=1e-3)
    else:
        starts = np.arange(relevance.shape[1] - 4)
        mean = weighted(relevance, starts, 5).sum((1, 2)) / (len(starts) * 5 * FEATURES.n_mels)
        np.testing.assert_allclose(mean, score, rtol=1e-3)


def weighted(relevance: np.ndarray, starts: np.ndarray, length: int) -> np.ndarray:
    """Each frame as often as an excerpt holds it."""
    places = (starts[:, None] + np.arange(length)).ravel()
    return relevance * np.bincount(places, minlength=relevance.shape[1])[:, None]


def log_odds_above_normals(name: str, detector: Trained, inputs: Batch) -> np.ndarray:
    """Log-odds of the clips less the mean of those with the normals' log-mels in their place."""
    model: Any = detector.model
    level = FEATURES(waveform_from_int16(inputs["waveform"]))
    normals = FEATURES(waveform_from_int16(inputs["normal_waveform"][0]))

    @jax.jit
    def log_odds(log_mel: jax.Array) -> jax.Array:
        if name == "mobilenetv2":
            network = model.network(detector.state.params, detector.state.statistics)
            images = [log_mel[:, i : i + 32] for i in range(0, 97, 16)]
            logits = jnp.mean(jnp.stack([network(x, train=False).logits for x in images]), axis=0)
            return logits[:, 1] - logits[:, 0]
        state, classifier, unit = detector.state, model, 1.0
        params, statistics = state.params, state.statistics
        if name == "reconstruction_augmentation":
            classifier, unit = model.classifier, model.config.level_unit
            params, statistics = params["classifier"], statistics["classifier"]
        network = classifier.network(params, statistics)
        tgram = network.tgram(waveform_from_int16(inputs["waveform"]))
        feature = network.see(log_mel / unit, tgram, train=False).feature
        cosines = network.arcface.cosines(feature)
        own = network.arcface.with_margin(cosines)[:, 0]
        return classifier.config.scale * (cosines[:, 1] - own)

    base = [log_odds(jnp.broadcast_to(normal, level.shape)) for normal in normals]
    return np.asarray(log_odds(level)) - np.mean(base, axis=0)


def test_a_detector_without_an_explanation_says_so() -> None:
    class Silent(Detector):
        score_names = ("none",)
        init = train_step = report = lambda *_: None  # type: ignore[assignment]

    assert not Silent.relevance_kind
    with pytest.raises(NotImplementedError, match="Silent explains nothing"):
        Silent().explain(None, {})  # type: ignore[arg-type]


def test_overlaps_are_averaged_and_gaps_are_zero() -> None:
    excerpts = jnp.stack([jnp.full((3, 2), 1.0), jnp.full((3, 2), 3.0)])
    np.testing.assert_array_equal(rejoined(excerpts, np.array([0, 2]), 6)[:, 0], [1, 1, 2, 3, 3, 0])


def test_integrated_gradients_are_exact_for_a_quadratic_score() -> None:
    """Each bin gets its own part, compared with the mean over the baselines."""
    rng = np.random.default_rng(0)
    log_mel, baselines = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 5, 3, 4))
    weight = rng.normal(size=(3, 4))
    found = integrated_gradients(
        lambda x: jnp.sum(weight * x**2, axis=(1, 2)),
        jnp.asarray(log_mel),
        jnp.asarray(baselines),
        steps=200,
    )
    expected = weight * (log_mel**2 - (baselines**2).mean(axis=1))
    np.testing.assert_allclose(found, expected, atol=2e-2)
