"""The MobileNetV2 baseline on its own: what a step and a report deliver, with a small network."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.base import Batch, Metrics, TrainState
from asd_jax.detectors.mobilenetv2 import (
    MobileNetV2Baseline,
    MobileNetV2Config,
    clip_scores,
    log_odds_kawaguchi,
)
from asd_jax.features.logmel import LogMel
from asd_jax.interop import keras
from asd_jax.interop.mobilenetv2 import load_weights, rules, sizes

CLASSES = 3
SAMPLES = 8000
SMALL = MobileNetV2Config(
    clip=WindowPolicy(samples=SAMPLES),
    features=LogMel.dcase2021(n_mels=16),
    frames=8,
    excerpt_hop=4,
    minibatch=4,
    stages=((1, 16, 1, 1), (6, 24, 2, 2)),
    head_channels=24,
    momentum=0.1,
    learning_rate=1e-2,
)
# 16 frames a clip: images begin at 0, 4 and 8.
IMAGES = 3


def batch(clips: int = 4) -> Batch:
    """Clips of noise whose colour tells the class."""
    rng = np.random.default_rng(0)
    class_id = np.arange(clips) % CLASSES
    noise = rng.normal(0, 3000, (clips, SAMPLES))
    slow = [np.repeat(row[:: 2**c], 2**c)[:SAMPLES] for row, c in zip(noise, class_id, strict=True)]
    return {
        "waveform": jnp.asarray(np.stack(slow), jnp.int16),
        "class_id": jnp.asarray(class_id, jnp.int32),
        "candidates": jax.nn.one_hot(class_id, CLASSES, dtype=bool),
    }


def detector(**changes: object) -> MobileNetV2Baseline:
    return MobileNetV2Baseline(dataclasses.replace(SMALL, **changes), CLASSES)  # type: ignore[arg-type]


class Trained:
    """A detector after some steps on one batch, with its compiled functions."""

    def __init__(self) -> None:
        self.model = model = detector()
        self.traces = 0

        def step(state: TrainState, inputs: Batch) -> tuple[TrainState, Metrics]:
            self.traces += 1
            return model.train_step(state, inputs)

        self.step = jax.jit(step)
        self.report = jax.jit(model.report)
        self.state = model.init(jax.random.key(0))
        self.metrics: list[Metrics] = []
        for _ in range(20):
            self.state, metrics = self.step(self.state, batch())
            self.metrics.append(metrics)


@pytest.fixture(scope="module")
def trained() -> Trained:
    return Trained()


def test_the_loss_falls_on_one_batch(trained: Trained) -> None:
    """Three optimiser steps a batch: twelve images in minibatches of four."""
    losses = [float(metrics["loss"]) for metrics in trained.metrics]
    assert np.mean(losses[-3:]) < losses[0] / 2
    assert int(trained.state.step) == 20
    assert int(trained.state.optimizer.steps) == 60


def test_every_metric_is_a_finite_scalar(trained: Trained) -> None:
    for metrics in trained.metrics:
        assert set(metrics) == {"loss", "accuracy", "gradient_norm"}
        assert all(value.shape == () and np.isfinite(value) for value in metrics.values())


def test_a_step_is_compiled_once(trained: Trained) -> None:
    """A state whose types drift from step to step would compile the network again and again."""
    assert trained.traces == 1


def test_accelerators_get_their_own_operations(trained: Trained) -> None:
    """The CPU's loops over samples stay on the CPU: an optimiser step is convolutions alone."""
    images, labels = jnp.zeros((4, 8, 16)), jnp.zeros(4, jnp.int32)
    lowered = jax.jit(trained.model.learn).trace(trained.state, images, labels)
    text = lowered.lower(lowering_platforms=("cuda",)).as_text()
    assert "stablehlo.while" not in text
    assert "stablehlo.convolution" in text


def test_the_same_step_twice_is_the_same(trained: Trained) -> None:
    """Order and images are drawn from the state's key and step alone."""
    first, second = (trained.step(trained.state, batch())[0] for _ in range(2))
    for a, b in zip(jax.tree.leaves(first.params), jax.tree.leaves(second.params), strict=True):
        np.testing.assert_array_equal(a, b)


def test_report_has_every_score_and_the_embedding(trained: Trained) -> None:
    report = trained.report(trained.state, batch())
    assert set(report) == {*trained.model.score_names, "embedding", "class_log_probabilities"}
    assert report["embedding"].shape == (4, 24)
    assert all(report[name].shape == (4,) for name in trained.model.score_names)
    assert all(np.all(np.isfinite(values)) for values in report.values())


def test_own_class_is_less_anomalous_than_another(trained: Trained) -> None:
    own = trained.report(trained.state, batch())
    shifted = batch() | {"candidates": jnp.roll(batch()["candidates"], 1, axis=1)}
    other = trained.report(trained.state, shifted)
    for name in trained.model.score_names:
        assert np.mean(own[name] < other[name]) >= 0.75


def test_a_report_does_not_depend_on_the_rest_of_the_batch(trained: Trained) -> None:
    """Clips are scored apart, so padding rows are harmless."""
    whole = trained.report(trained.state, batch())
    one = trained.report(trained.state, {key: value[2:3] for key, value in batch().items()})
    for key in whole:
        np.testing.assert_allclose(whole[key][2], one[key][0], rtol=1e-3, atol=1e-4)


def test_a_report_is_the_mean_over_the_clip_s_images(trained: Trained) -> None:
    """Each image scored alone, then averaged."""
    state, model = trained.state, trained.model
    level = SMALL.features(batch()["waveform"].astype(jnp.float32) / 32768)
    network = model.network(state.params, state.statistics)
    starts = range(0, 9, 4)
    each = [network(level[:, start : start + 8], train=False) for start in starts]
    assert len(each) == IMAGES
    odds = []
    for taps in each:
        p = np.take_along_axis(
            np.asarray(jax.nn.softmax(taps.logits), np.float64),
            np.asarray(batch()["class_id"])[:, None],
            axis=1,
        )[:, 0]
        odds.append(np.log1p(-p) - np.log(p))
    report = trained.report(state, batch())
    np.testing.assert_allclose(report["log_odds"], np.mean(odds, axis=0), rtol=1e-2, atol=1e-2)
    pooled = np.mean([taps.pooled for taps in each], axis=0)
    np.testing.assert_allclose(report["embedding"], pooled, rtol=1e-4, atol=1e-4)


def test_the_published_hop_of_one_hears_more_images(trained: Trained) -> None:
    """`scoring_hop` changes reports alone; 0 is the hop of the training."""
    by_hop = {
        hop: jax.jit(detector(scoring_hop=hop).report)(trained.state, batch()) for hop in (0, 4, 1)
    }
    np.testing.assert_array_equal(by_hop[0]["log_odds"], by_hop[4]["log_odds"])
    assert np.all(by_hop[0]["log_odds"] != by_hop[1]["log_odds"])


def test_digital_silence_is_scored(trained: Trained) -> None:
    silent = batch() | {"waveform": jnp.zeros((4, SAMPLES), jnp.int16)}
    report = trained.report(trained.state, silent)
    assert all(np.all(np.isfinite(values)) for values in report.values())
    state, metrics = trained.step(trained.state, silent)
    assert all(np.isfinite(value) for value in metrics.values())
    leaves = jax.tree.leaves((state.params, state.statistics))
    assert all(np.all(np.isfinite(leaf)) for leaf in leaves)


def test_a_confident_network_still_ranks() -> None:
    """Where p rounds to 1 in float32, the log-odds go on falling; the published formula stops."""
    logits = jnp.array([[[20.0, 0.0]], [[30.0, 0.0]], [[60.0, 0.0]]])
    scores = [clip_scores(row[None], jnp.array([[True, False]])) for row in logits]
    right = [float(score["log_odds"][0]) for score in scores]
    np.testing.assert_allclose(right, [-20, -30, -60], rtol=1e-6)
    literal = {float(score["log_odds_kawaguchi"][0]) for score in scores}
    assert len(literal) == 1
    assert all(np.isfinite(value) for value in literal)


def test_the_literal_parenthesis() -> None:
    """log((1 - p) - log(p)) at one half is log(0.5 + log 2), not 0."""
    value = float(log_odds_kawaguchi(jnp.array(0.5)))
    np.testing.assert_allclose(value, np.log(0.5 + np.log(2)), rtol=1e-6)


def test_the_score_of_several_candidates_is_the_lowest() -> None:
    """The best fitting class of the whole clip, not of each image."""
    logits = jnp.array([[[3.0, 0.0, -5.0]], [[-2.0, 0.5, -5.0]]])
    single = [clip_scores(logits, jnp.arange(3)[None] == i) for i in range(3)]
    several = clip_scores(logits, jnp.array([[True, True, False]]))
    for name, values in several.items():
        assert float(values[0]) == min(float(each[name][0]) for each in single[:2])


def test_fewer_images_a_clip_and_all_in_one_step() -> None:
    """`excerpts_per_clip` 1 of four clips is one minibatch; `minibatch` 0 takes all images at once."""
    for changes in ({"excerpts_per_clip": 1}, {"minibatch": 0}):
        model = detector(**changes)
        state, _ = jax.jit(model.train_step)(model.init(jax.random.key(0)), batch())
        assert int(state.optimizer.steps) == 1


def test_one_class_or_a_short_window_is_refused() -> None:
    with pytest.raises(ValueError, match=r"needs two classes[^$]*one_model_per=all"):
        MobileNetV2Baseline(SMALL, 1)
    with pytest.raises(ValueError, match=r"holds no excerpt of 8 frames: enlarge detector\.clip"):
        detector(clip=WindowPolicy(samples=3000))


def test_initial_weights_depend_on_the_key_alone() -> None:
    first, same, other = (detector().init(jax.random.key(seed)) for seed in (0, 0, 1))
    kernels = [np.asarray(state.params["head"][...]) for state in (first, same, other)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.any(kernels[0] != kernels[2])


def published(config: MobileNetV2Config, classes: int) -> dict[str, np.ndarray]:
    """Tensors of such a network under their published names and in their layout."""
    network = config.network(classes, rngs=nnx.Rngs(0))
    back: dict[Any, Any] = {
        keras.pointwise: lambda x: x[None, None],
        keras.depthwise: lambda x: x[..., None],
    }
    tensors = {}
    for name, (path, transform) in rules(network).items():
        variable: Any = network
        for part in path:
            variable = variable[part] if isinstance(part, int) else getattr(variable, part)
        tensors[name] = back.get(transform, keras.same)(np.asarray(variable[...]))
    return tensors


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"alpha": 0.75}, {"alpha": 0.75, "width": 32}),
        ({"alpha": 1.4, "head_channels": 40}, {"alpha": 1.4, "head_channels": 40}),
        ({"image_channels": 1}, {"alpha": 0.5, "image_channels": 1}),
        (
            {"width": 48, "stages": ((1, 16, 1, 1), (4, 80, 2, 2))},
            {"alpha": 1.0, "width": 24, "stages": ((1, 8, 1, 1), (4, 40, 1, 2), (4, 40, 1, 1))},
        ),
    ],
)
def test_sizes_and_weights_are_read_off_the_tensors(
    changes: dict[str, Any], found: dict[str, Any]
) -> None:
    """Starting from other sizes with the same strides, the network is found and takes the weights."""
    tensors = published(dataclasses.replace(SMALL, **changes), 5)
    sized, classes = sizes(tensors, SMALL)
    assert classes == 5
    assert {key: getattr(sized, key) for key in found} == found
    model = MobileNetV2Baseline(sized, classes)
    state = load_weights(model, jax.jit(model.init)(jax.random.key(1)), tensors)
    np.testing.assert_array_equal(state.params["head"][...], tensors["Conv_1/kernel"][0, 0])
    depthwise = tensors["block_1_depthwise/kernel"][..., 0]
    np.testing.assert_array_equal(state.params["blocks"][1]["filter"][...], depthwise)
    assert int(state.optimizer.steps) == 0


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(ValueError, match="Conv1/kernel is missing"):
        sizes({"conv.weight": np.ones(3)}, SMALL)
