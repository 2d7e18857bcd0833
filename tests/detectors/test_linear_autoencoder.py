"""The dense autoencoder with contrast on its own: loss, contrast, report, errors, with a small network."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.base import Batch, Metrics, TrainState
from asd_jax.detectors.linear_autoencoder import (
    LinearAutoencoder,
    LinearAutoencoderConfig,
    class_contrast,
)
from asd_jax.detectors.triplet_loss import triplet_loss
from asd_jax.features.logmel import LogMel

SMALL = LinearAutoencoderConfig(
    clip=WindowPolicy(samples=4096),
    features=dataclasses.replace(LogMel.dcase2021(8), n_fft=256, hop=128),
    n_frames=3,
    minibatch=32,
    hidden=(16, 16),
    bottleneck=4,
    learning_rate=1e-2,
)


def batch(clips: int = 6) -> Batch:
    loudness = 3000 / (1 + np.arange(clips)[:, None] % 3)
    noise = np.random.default_rng(0).normal(0, loudness, (clips, 4096))
    return {
        "waveform": jnp.asarray(noise, jnp.int16),
        "class_id": jnp.arange(clips, dtype=jnp.int32) % 3,
        "candidates": jnp.ones((clips, 3), bool),
    }


def detector(**changes: object) -> LinearAutoencoder:
    return dataclasses.replace(SMALL, **changes).build(3, 10, 10)  # type: ignore[arg-type]


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
        self.state = self.model.init(jax.random.key(0))
        self.metrics: list[dict[str, float]] = []
        for _ in range(40):
            self.state, metrics = self.step(self.state, batch())
            self.metrics.append({name: float(value) for name, value in metrics.items()})


@pytest.fixture(scope="module")
def trained() -> Trained:
    return Trained()


def test_the_loss_falls_and_the_step_counts_batches(trained: Trained) -> None:
    """186 vectors are five minibatches: forty batches are forty steps of the detector, two hundred of Adam."""
    assert trained.metrics[-1]["loss"] < trained.metrics[0]["loss"] / 4
    assert int(trained.state.step) == 40
    assert int(trained.state.optimizer.count) == 200
    assert trained.traces == 1


def test_the_contrast_parts_the_classes(trained: Trained) -> None:
    """Bottlenecks of one class lie nearer to one another than with the plain autoencoder."""
    first, last = trained.metrics[0]["contrast"], trained.metrics[-1]["contrast"]
    assert last < first / 2
    assert detector(contrast_weight=0.0).config.contrast_weight == 0.0


def test_without_weight_there_is_no_contrast() -> None:
    model = detector(contrast_weight=0.0)
    _, metrics = jax.jit(model.train_step)(model.init(jax.random.key(0)), batch())
    assert metrics["contrast"] == 0.0
    assert metrics["loss"] == metrics["mse"]


def test_report_has_the_score_and_the_embedding(trained: Trained) -> None:
    """A loud clip among quiet ones changes nothing for them; the score is the mean over vectors and inputs."""
    report = trained.report(trained.state, batch())
    assert set(report) == {"mse", "embedding"}
    assert report["mse"].shape == (6,)
    assert report["embedding"].shape == (6, SMALL.bottleneck)
    one = trained.report(trained.state, {key: value[2:3] for key, value in batch().items()})
    np.testing.assert_allclose(report["mse"][2], one["mse"][0], rtol=1e-5)
    model, state = trained.model, trained.state
    vectors = model.hear(batch()["waveform"])[0]
    reconstruction, _ = model.network(state.params, state.statistics)(vectors, train=False)
    np.testing.assert_allclose(
        report["mse"][0], np.mean(np.square(reconstruction - vectors)), rtol=1e-5
    )


def test_silence_is_heard_and_learned_from(trained: Trained) -> None:
    silence = batch() | {"waveform": jnp.zeros_like(batch()["waveform"])}
    report = trained.report(trained.state, silence)
    assert all(np.all(np.isfinite(value)) for value in report.values())
    after, metrics = trained.step(trained.state, silence)
    assert np.isfinite(metrics["gradient_norm"])
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(after.params))


def test_the_contrast_chooses_the_right_examples() -> None:
    """Classes at 0, 10 and 20 on a line: positives at distance 0, negatives at 100 or more."""
    class_id = jnp.asarray([0, 0, 1, 1, 2, 2])
    features = class_id[:, None] * 10.0
    for seed in range(5):
        loss = class_contrast(features, class_id, jax.random.key(seed), 101.0)
        assert 0.0 <= loss <= 1.0
        swapped = class_contrast(features, jnp.arange(6) % 2, jax.random.key(seed), 1.0)
        assert swapped > 50.0


@pytest.mark.parametrize("class_id", [[1, 1, 1, 1], [0, 1, 2, 3]])
def test_the_contrast_is_zero_where_a_side_is_missing(class_id: list[int]) -> None:
    """One class has no negatives, four single examples have no positives; the gradient stays finite."""
    features = jax.random.normal(jax.random.key(0), (4, 3))
    loss, gradient = jax.value_and_grad(class_contrast)(
        features, jnp.asarray(class_id), jax.random.key(0), 1.0
    )
    assert loss == 0.0
    np.testing.assert_array_equal(gradient, jnp.zeros((4, 3)))


def test_the_triplet_loss_by_hand() -> None:
    """Squared distances 1 and 4: the margin is short by 2 at margin 5, and met at margin 2."""
    anchor, positive, negative = jnp.zeros((1, 2)), jnp.asarray([[0.0, 1.0]]), jnp.full((1, 2), 2.0)
    negative = negative.at[0, 1].set(0.0)
    assert triplet_loss(anchor, positive, negative, 5.0)[0] == 2.0
    assert triplet_loss(anchor, positive, negative, 2.0)[0] == 0.0


def test_a_window_without_a_vector_is_refused() -> None:
    with pytest.raises(ValueError, match="holds no vector of 40 frames"):
        detector(n_frames=40)
