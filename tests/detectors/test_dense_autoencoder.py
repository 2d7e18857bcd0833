"""The dense autoencoder on its own: what a step and a report deliver, with a small network."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.base import Batch, Metrics, TrainState
from asd_jax.detectors.dense_autoencoder import DenseAutoencoder, DenseAutoencoderConfig
from asd_jax.features.logmel import LogMel, stack_frames, waveform_from_int16
from asd_jax.scoring.scorers import build_scorer

SMALL = DenseAutoencoderConfig(
    clip=WindowPolicy(samples=8192),
    features=LogMel.dcase2020(n_mels=16),
    stack_frames=3,
    minibatch=16,
    encoder=(12, 10),
    bottleneck=4,
    decoder=(11, 9),
    learning_rate=1e-2,
)
FRAMES = SMALL.features.frames(8192)
VECTORS = FRAMES - 2


def batch(clips: int = 4) -> Batch:
    noise = np.random.default_rng(0).normal(0, 3000, (clips, 8192))
    return {
        "waveform": jnp.asarray(noise, jnp.int16),
        "class_id": jnp.zeros(clips, jnp.int32),
        "candidates": jnp.ones((clips, 1), bool),
    }


def detector(**changes: object) -> DenseAutoencoder:
    config = dataclasses.replace(SMALL, **changes)  # type: ignore[arg-type]
    return config.build(classes=1, steps_per_epoch=10, epochs=10)


class Trained:
    """A detector after a few steps on one batch, with its compiled functions."""

    def __init__(self, config: DenseAutoencoderConfig) -> None:
        self.model = config.build(classes=1, steps_per_epoch=10, epochs=10)
        self.traces = 0

        def step(state: TrainState, inputs: Batch) -> tuple[TrainState, Metrics]:
            self.traces += 1
            return self.model.train_step(state, inputs)

        self.step = jax.jit(step)
        self.report = jax.jit(self.model.report)
        self.state = self.model.init(jax.random.key(0))
        self.losses: list[float] = []
        for _ in range(30):
            self.state, metrics = self.step(self.state, batch())
            self.losses.append(float(metrics["loss"]))
            assert np.isfinite(metrics["gradient_norm"])


@pytest.fixture(scope="module", params=["keras", "pytorch"])
def trained(request: pytest.FixtureRequest) -> Trained:
    return Trained(dataclasses.replace(SMALL, framework=request.param))


def test_the_loss_falls_on_one_batch(trained: Trained) -> None:
    assert trained.losses[-1] < trained.losses[0] / 2
    assert int(trained.state.step) == 30


def test_a_step_is_compiled_once(trained: Trained) -> None:
    """A state whose types drift from step to step would compile the network again and again."""
    assert trained.traces == 1


def test_the_report_is_made_of_the_errors_of_all_vectors(trained: Trained) -> None:
    report = trained.report(trained.state, batch())
    level = SMALL.features(waveform_from_int16(batch()["waveform"]))
    network = trained.model.network(trained.state)
    reconstruction, bottleneck = network(stack_frames(level, 3), train=False)
    errors = np.asarray(stack_frames(level, 3) - reconstruction, np.float64)
    assert errors.shape == (4, VECTORS, 48)
    np.testing.assert_allclose(report["mse"], np.square(errors).mean((1, 2)), rtol=1e-5)
    np.testing.assert_allclose(report["embedding"], bottleneck.mean(1), rtol=1e-4, atol=1e-5)
    moments = report["error_moments"]
    assert moments.shape == (4, 16, 19)
    for clip, found in zip(errors.reshape(4, -1, 16), moments, strict=True):
        expected = clip.T @ clip / len(clip)
        np.testing.assert_allclose(found[:, :16], expected, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(found[:, 16], clip.mean(axis=0), rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(moments[..., 17], VECTORS)
    np.testing.assert_array_equal(moments[..., 18], 3)


def test_the_fitted_scores_understand_the_reports(trained: Trained) -> None:
    """Clips of other noise are farther from the training clips than these are from themselves."""
    normal = trained.report(trained.state, batch())
    tone = 9000 * np.sin(np.arange(8192) * 0.3)
    other = {**batch(), "waveform": jnp.asarray(np.tile(tone, (4, 1)), jnp.int16)}
    strange = trained.report(trained.state, other)
    for kind, config in trained.model.fitted_scores.values():
        domains = ["source", "source", "target", "target"]
        scorer = build_scorer(kind, config).fit(normal[config.report], domains)
        known = scorer.score_samples(normal[config.report])
        assert scorer.score_samples(strange[config.report]).min() > known.max()


def test_a_report_does_not_depend_on_the_rest_of_the_batch(trained: Trained) -> None:
    """Clips are scored apart, so padding rows are harmless."""
    whole = trained.report(trained.state, batch())
    one = trained.report(trained.state, {key: value[2:3] for key, value in batch().items()})
    for key in whole:
        np.testing.assert_allclose(whole[key][2], one[key][0], rtol=1e-3, atol=1e-4)


def test_digital_silence_is_learned_and_scored(trained: Trained) -> None:
    """Its features are all equal: batch statistics without variance must not give NaN."""
    silence = {**batch(), "waveform": jnp.zeros((4, 8192), jnp.int16)}
    state, metrics = trained.step(trained.state, silence)
    assert np.isfinite(metrics["loss"])
    assert np.isfinite(metrics["gradient_norm"])
    for values in trained.report(state, silence).values():
        assert np.isfinite(values).all()


def test_minibatches_are_steps_of_their_own() -> None:
    """60 vectors in minibatches of 16 make three steps of Adam; all at once make one."""
    assert 4 * VECTORS == 60
    for minibatch, expected in ((16, 3), (0, 1), (100, 1)):
        model = detector(minibatch=minibatch)
        state, _ = jax.jit(model.train_step)(model.init(jax.random.key(0)), batch())
        assert int(state.optimizer.steps) == expected
        assert int(state.step) == 1


def test_excerpts_and_hop_thin_out_the_vectors() -> None:
    """Two of a clip's vectors make 8 of a batch, a hop of 5 frames leaves three a clip."""
    for changes, expected in (({"excerpts_per_clip": 2}, 8), ({"excerpt_hop": 5}, 12)):
        model = detector(minibatch=2, **changes)
        state, _ = jax.jit(model.train_step)(model.init(jax.random.key(0)), batch())
        assert int(state.optimizer.steps) * 2 == expected
    report = jax.jit(model.report)(state, batch())
    np.testing.assert_array_equal(report["error_moments"][..., 17], 3)


def test_all_at_once_is_a_step_on_the_stacked_frames() -> None:
    """The vectors that training cuts are those that reporting stacks."""
    model = detector(minibatch=0)
    state = model.init(jax.random.key(0))
    level = SMALL.features(waveform_from_int16(batch()["waveform"]))
    vectors = stack_frames(level, 3).reshape(-1, 48)
    after, metrics = jax.jit(model.train_step)(state, batch())
    expected, expected_metrics = jax.jit(model.learn)(state, vectors)
    np.testing.assert_allclose(metrics["loss"], expected_metrics["loss"], rtol=1e-5)
    leaves = jax.tree.leaves(after.statistics), jax.tree.leaves(expected.statistics)
    for ours, theirs in zip(*leaves, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_the_framework_sets_what_is_recorded_and_how_weights_start() -> None:
    """PyTorch records the unbiased variance, n / (n - 1) of Keras's, and draws the biases too."""
    vectors = jnp.asarray(np.random.default_rng(0).normal(size=(10, 48)), jnp.float32)
    recorded = {}
    for framework in ("keras", "pytorch"):
        model = detector(framework=framework)
        state = model.init(jax.random.key(0))
        bias = state.params["layers"][0]["bias"][...]
        assert bool(np.any(np.asarray(bias))) == (framework == "pytorch")
        first = np.asarray(vectors @ state.params["layers"][0]["kernel"][...] + bias)
        after, _ = jax.jit(model.learn)(state, vectors)
        part = (np.asarray(after.statistics["norms"][0]["variance"][...]) - 0.99) / 0.01
        recorded[framework] = part / first.var(axis=0)
    np.testing.assert_allclose(recorded["keras"], 1, rtol=1e-3)
    np.testing.assert_allclose(recorded["pytorch"], 10 / 9, rtol=1e-3)


def test_the_baselines_of_the_years() -> None:
    """640 inputs, four layers of 128 on either side of 8."""
    configs = (
        DenseAutoencoderConfig(),
        *(getattr(DenseAutoencoderConfig, name)() for name in ("dcase2021", "dcase2023")),
    )
    assert [config.inputs for config in configs] == [640] * 3
    assert [config.minibatch for config in configs] == [512, 512, 256]
    assert [config.framework for config in configs] == ["keras", "keras", "pytorch"]
    assert [config.features.compression for config in configs] == ["add", "clamp", "clamp"]


def test_a_window_without_a_vector_is_refused() -> None:
    with pytest.raises(ValueError, match=r"2 frames .* 3: enlarge detector\.clip\.samples"):
        detector(clip=WindowPolicy(samples=600))
