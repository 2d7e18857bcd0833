"""AEGAN-AD on its own: what a step, a pass over the training clips and a report deliver, with small networks."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.aegan_ad import AEGANAD, AEGANADConfig
from asd_jax.detectors.aegan_networks import level_sizes
from asd_jax.detectors.aegan_objective import (
    gradient_penalty,
    matching_loss,
    mix,
    reconstruction_scores,
)
from asd_jax.detectors.base import Batch, Metrics, TrainState
from asd_jax.features.logmel import LogMel, waveform_from_int16

CLIPS = 4
SAMPLES = 8192
SMALL = AEGANADConfig(
    clip=WindowPolicy(samples=SAMPLES),
    features=dataclasses.replace(LogMel.aegan(), n_fft=512, hop=256, n_mels=16),
    encoder_channels=4,
    decoder_channels=4,
    latent=8,
    generator_rate=2e-3,
    discriminator_rate=2e-3,
    excerpts_per_clip=4,
    excerpt_hop_test=5,
    minibatch=8,
)


def batch(seed: int = 0) -> Batch:
    """Tones that swell and fade, each clip's at its own pitch, in a little noise."""
    seconds = np.arange(SAMPLES) / 16000
    pitch = 500.0 * 2 ** np.arange(CLIPS)[:, None]
    tones = np.sin(2 * np.pi * pitch * seconds) * (1.2 + np.sin(2 * np.pi * 20 * seconds))
    noise = np.random.default_rng(seed).normal(size=tones.shape)
    return {
        "waveform": jnp.asarray(3000 * tones + 30 * noise, jnp.int16),
        "class_id": jnp.zeros(CLIPS, jnp.int32),
        "candidates": jnp.ones((CLIPS, 1), bool),
    }


def silence() -> Batch:
    return batch() | {"waveform": jnp.zeros((CLIPS, SAMPLES), jnp.int16)}


def detector(**changes: Any) -> AEGANAD:
    return dataclasses.replace(SMALL, **changes).build(1, 10, 10)


class Trained:
    """A detector after a few steps on one batch, with its compiled functions."""

    def __init__(self) -> None:
        self.model = model = detector()
        self.traces = 0

        def step(state: TrainState, inputs: Batch) -> tuple[TrainState, Metrics]:
            self.traces += 1
            return model.train_step(state, inputs)

        self.step = jax.jit(step)
        self.report = jax.jit(model.report)
        self.first = jax.jit(model.init)(jax.random.key(0))
        self.state = self.first = jax.jit(model.observe)(self.first, batch())
        self.metrics: list[Metrics] = []
        for _ in range(12):
            self.state, metrics = self.step(self.state, batch())
            self.metrics.append(metrics)


@pytest.fixture(scope="module")
def trained() -> Trained:
    return Trained()


def test_the_reconstruction_gets_better_on_one_batch(trained: Trained) -> None:
    errors = [float(metrics["reconstruction"]) for metrics in trained.metrics]
    assert errors[-1] < errors[0] / 2
    assert all(np.isfinite(float(v)) for metrics in trained.metrics for v in metrics.values())


def test_a_step_of_the_loop_is_one_step_and_is_compiled_once(trained: Trained) -> None:
    """However many minibatches it holds; drifting types would compile the networks again and again."""
    assert int(trained.state.step) == 12
    assert trained.traces == 1


def test_both_networks_and_both_optimisers_move(trained: Trained) -> None:
    for name in ("generator", "discriminator"):
        before, after = trained.first.params[name], trained.state.params[name]
        assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(after))
        moved = [
            np.any(np.asarray(old) != np.asarray(new))
            for old, new in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True)
        ]
        assert np.mean(moved) > 0.9
        # Sixteen excerpts in minibatches of eight are two steps of Adam.
        assert int(trained.state.optimizer[name][0].count) == 24


def test_observing_finds_the_range_of_all_clips() -> None:
    """Two batches, in any order, give the extremes of both; they are scaled to -1 and 1."""
    model = detector()
    state = model.init(jax.random.key(0))
    loud = batch(1) | {"waveform": batch(1)["waveform"] * 3}
    for order in ((batch(), loud), (loud, batch())):
        seen = state
        for clips in order:
            seen = model.observe(seen, clips)
        levels = [model.config.features(waveform_from_int16(c["waveform"])) for c in order]
        np.testing.assert_allclose(seen.statistics["minimum"], np.min(levels), rtol=1e-6)
        np.testing.assert_allclose(seen.statistics["maximum"], np.max(levels), rtol=1e-6)
        scaled = np.stack([model.scaled_level(seen, clips) for clips in order])
        np.testing.assert_allclose([scaled.min(), scaled.max()], [-1, 1], atol=1e-5)


def test_training_keeps_the_observed_range(trained: Trained) -> None:
    for name in ("minimum", "maximum"):
        assert trained.state.statistics[name] == trained.first.statistics[name]


def test_report_has_every_score_and_the_embedding(trained: Trained) -> None:
    report = trained.report(trained.state, batch())
    assert set(report) == {*trained.model.score_names, "embedding"}
    assert report["embedding"].shape == (CLIPS, 8)
    for name in trained.model.score_names:
        assert report[name].shape == (CLIPS,)
    for error in ("G_x_2", "G_x_1", "G_z_2", "G_z_1", "G_z_cos"):
        low, high, total = (report[f"{error}_{pool}"] for pool in ("min", "max", "sum"))
        excerpts = len(range(0, trained.model.frames - 16 + 1, 5))
        assert np.all(low <= high)
        assert np.all((excerpts * low <= total + 1e-3) & (total <= excerpts * high + 1e-3))


def test_a_report_does_not_depend_on_the_rest_of_the_batch(trained: Trained) -> None:
    """Clips are scored apart, so padding rows are harmless."""
    whole = trained.report(trained.state, batch())
    one = trained.report(trained.state, {key: value[2:3] for key, value in batch().items()})
    for key in whole:
        np.testing.assert_allclose(whole[key][2], one[key][0], rtol=1e-3, atol=1e-4)


def test_digital_silence_is_reported_and_learned_from_without_nan(trained: Trained) -> None:
    """Also where the whole training set is silent and its range is empty."""
    for value in trained.report(trained.state, silence()).values():
        assert np.all(np.isfinite(value))
    blank = trained.first.replace(
        statistics=trained.first.statistics
        | {"minimum": jnp.array(-100.0, jnp.float32), "maximum": jnp.array(-100.0, jnp.float32)}
    )
    after, metrics = trained.step(blank, silence())
    assert all(np.isfinite(float(value)) for value in metrics.values())
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(after.params))


def test_a_clip_of_one_excerpt_keeps_its_shape() -> None:
    """The published code squeezes it away."""
    model = detector(clip=WindowPolicy(samples=16 * 256 - 1))
    assert model.frames == 16
    state = model.init(jax.random.key(0))
    one = batch() | {"waveform": batch()["waveform"][:, : 16 * 256 - 1]}
    report = jax.jit(model.report)(model.observe(state, one), one)
    assert report["embedding"].shape == (CLIPS, 8)
    np.testing.assert_array_equal(report["G_x_2_sum"], report["G_x_2_max"])


def test_a_window_too_short_for_an_excerpt_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"enlarge detector\.clip\.samples"):
        detector(clip=WindowPolicy(samples=2000))


@pytest.mark.parametrize("mels", [4, 12, 100])
def test_images_that_cannot_be_halved_down_to_four_are_an_error(mels: int) -> None:
    with pytest.raises(ValueError, match=f"which {mels} mels do not allow: .* power of two"):
        level_sizes(mels)


def test_batch_norm_records_and_other_norms_do_not() -> None:
    """Each network has its own kind; recorded statistics are those of the training excerpts."""
    model = detector(generator_norm="batch", discriminator_norm="instance", deviation_weight=1.0)
    state = model.observe(model.init(jax.random.key(0)), batch())
    after, metrics = jax.jit(model.train_step)(state, batch())
    assert np.isfinite(metrics["loss"])
    assert not jax.tree.leaves(after.statistics["discriminator"])
    before = jax.tree.leaves(state.statistics["generator"])
    for old, new in zip(before, jax.tree.leaves(after.statistics["generator"]), strict=True):
        assert np.any(np.asarray(old) != np.asarray(new))


def test_the_gradient_penalty_is_zero_at_slope_one_and_finite_at_slope_zero() -> None:
    """Without epsilon, as published, its gradient is NaN where the discriminator is flat."""
    images = jnp.ones((3, 2, 2, 1))

    def penalty(slope: jax.Array, epsilon: float) -> jax.Array:
        def predict(x: jax.Array) -> tuple[jax.Array, None]:
            return slope * jnp.sum(x, axis=(1, 2, 3)), None

        return gradient_penalty(predict, images, epsilon)[0]

    np.testing.assert_allclose(penalty(jnp.array(0.5), 1e-12), 0, atol=1e-6)
    np.testing.assert_allclose(penalty(jnp.array(1.5), 0.0), 4, rtol=1e-6)
    assert np.isfinite(jax.grad(penalty)(jnp.array(0.0), 1e-12))
    assert np.isnan(jax.grad(penalty)(jnp.array(0.0), 0.0))


def test_matching_weighs_means_and_biased_deviations() -> None:
    real, fake = np.random.default_rng(0).normal(size=(2, 5, 3))
    means = np.mean(np.square(real.mean(0) - fake.mean(0)))
    deviations = np.mean(np.square(real.std(0) - fake.std(0)))
    arguments = jnp.asarray(real), jnp.asarray(fake)
    np.testing.assert_allclose(matching_loss(*arguments, 2.0, 0.0, 0.0), 2 * means, rtol=1e-5)
    expected = 2 * means + 0.5 * deviations
    np.testing.assert_allclose(matching_loss(*arguments, 2.0, 0.5, 1e-12), expected, rtol=1e-4)


def test_features_that_do_not_vary_have_a_finite_gradient_unless_literal() -> None:
    """epsilon=0 is the published standard deviation, with NaN at zero."""
    same = jnp.ones((4, 3))
    gradient = jax.grad(lambda fake, epsilon: matching_loss(2 * same, fake, 1.0, 1.0, epsilon))
    assert np.all(np.isfinite(gradient(same, 1e-12)))
    assert np.all(np.isnan(gradient(same, 0.0)))


def test_mixtures_lie_alpha_of_the_way_to_the_image() -> None:
    image, other = jnp.ones((2, 1, 1, 1)), jnp.zeros((2, 1, 1, 1))
    np.testing.assert_allclose(mix(image, other, jnp.array([0.25, 1.0])).ravel(), [0.25, 1.0])


def test_scores_of_known_errors() -> None:
    """Sums within an excerpt; sum, minimum and maximum over excerpts; a zero latent vector stays finite."""
    image = jnp.zeros((2, 2, 2, 1))
    wrong = image.at[0, 0, 0, 0].set(2.0).at[1].set(-1.0)
    latent, again = jnp.array([[1.0, 0.0], [0.0, 0.0]]), jnp.array([[0.0, 3.0], [0.0, 0.0]])
    scores = reconstruction_scores(image, wrong, latent, again)
    expected = {"G_x_2": (4, 4), "G_x_1": (2, 4), "G_z_2": (10, 0), "G_z_1": (4, 0)}
    for name, errors in (expected | {"G_z_cos": (1, 1)}).items():
        for pool, reduce in (("sum", sum), ("min", min), ("max", max)):
            np.testing.assert_allclose(scores[f"{name}_{pool}"], reduce(errors), err_msg=name)
