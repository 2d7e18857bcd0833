"""STgram-MFN on its own: what a step and a report deliver, with a small network."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.base import Batch, Metrics, TrainState
from asd_jax.detectors.stgram_mfn import STgramMFN, STgramMFNConfig, TgramNet
from asd_jax.features.logmel import LogMel

CLASSES = 3
SMALL = STgramMFNConfig(
    clip=WindowPolicy(samples=4096),
    features=dataclasses.replace(LogMel.stgram(), n_mels=16),
    embedding=8,
    width=4,
    stages=((2, 8, 2, 2),),
    head_channels=8,
    learning_rate=1e-2,
)


def batch(clips: int = 4) -> Batch:
    noise = np.random.default_rng(0).normal(0, 3000, (clips, 4096))
    class_id = jnp.arange(clips, dtype=jnp.int32) % CLASSES
    return {
        "waveform": jnp.asarray(noise, jnp.int16),
        "class_id": class_id,
        "candidates": jax.nn.one_hot(class_id, CLASSES, dtype=bool),
    }


def detector(**changes: object) -> STgramMFN:
    return STgramMFN(dataclasses.replace(SMALL, **changes), CLASSES, 10, 10)  # type: ignore[arg-type]


class Trained:
    """A detector after a few steps on one batch, with its compiled functions."""

    def __init__(self) -> None:
        model = detector()
        self.score_names = model.score_names
        self.traces = 0

        def step(state: TrainState, inputs: Batch) -> tuple[TrainState, Metrics]:
            self.traces += 1
            return model.train_step(state, inputs)

        self.step = jax.jit(step)
        self.report = jax.jit(model.report)
        self.state = model.init(jax.random.key(0))
        self.losses: list[float] = []
        for _ in range(12):
            self.state, metrics = self.step(self.state, batch())
            self.losses.append(float(metrics["loss"]))


@pytest.fixture(scope="module")
def trained() -> Trained:
    return Trained()


def test_the_loss_falls_on_one_batch(trained: Trained) -> None:
    assert trained.losses[-1] < trained.losses[0] / 2
    assert int(trained.state.step) == 12


def test_one_class_is_refused() -> None:
    """With one class every clip would score zero and nothing be learned."""
    with pytest.raises(ValueError, match=r"needs two classes[^$]*data\.class_by"):
        STgramMFNConfig().build(1, 10, 10)


def test_init_depends_on_the_key_alone() -> None:
    first, same, other = (detector().init(jax.random.key(seed)) for seed in (0, 0, 1))
    for a, b in zip(jax.tree.leaves(first.params), jax.tree.leaves(same.params), strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(
        np.any(np.asarray(a) != np.asarray(b))
        for a, b in zip(jax.tree.leaves(first.params), jax.tree.leaves(other.params), strict=True)
    )


def test_a_step_changes_neither_its_inputs_nor_what_it_should_not(trained: Trained) -> None:
    """Under ArcFace the linear head stays as it was; the given state is not modified."""
    state = trained.state
    before = [np.asarray(leaf).copy() for leaf in jax.tree.leaves(state.statistics)]
    after, _ = trained.step(state, batch())
    for leaf, copy in zip(jax.tree.leaves(state.statistics), before, strict=True):
        np.testing.assert_array_equal(leaf, copy)
    np.testing.assert_array_equal(
        after.params["linear"]["kernel"][...], state.params["linear"]["kernel"][...]
    )


def test_report_has_every_score_and_the_embedding(trained: Trained) -> None:
    report = trained.report(trained.state, batch())
    assert set(report) == {*trained.score_names, "embedding", "class_log_probabilities"}
    assert report["embedding"].shape == (4, 8)
    for name in trained.score_names:
        assert report[name].shape == (4,)
        assert np.all(np.isfinite(report[name]))
    assert np.all(report["nll_margin"] >= report["nll"])


def test_a_report_does_not_depend_on_the_rest_of_the_batch(trained: Trained) -> None:
    """Clips are scored apart, so padding rows are harmless."""
    whole = trained.report(trained.state, batch())
    one = trained.report(trained.state, {key: value[2:3] for key, value in batch().items()})
    for key in whole:
        np.testing.assert_allclose(whole[key][2], one[key][0], rtol=1e-4, atol=1e-5)


def test_the_score_of_several_candidates_is_the_lowest(trained: Trained) -> None:
    """A test clip that hides its domain gets the score of the class that it fits best."""
    state = trained.state
    single = [
        trained.report(state, batch() | {"candidates": jnp.tile(jnp.arange(CLASSES) == i, (4, 1))})
        for i in range(CLASSES)
    ]
    every = trained.report(state, batch() | {"candidates": jnp.ones((4, CLASSES), bool)})
    for name in trained.score_names:
        lowest = np.min([each[name] for each in single], axis=0)
        np.testing.assert_allclose(every[name], lowest, rtol=1e-6)


def test_without_arcface_the_linear_head_learns_and_scores() -> None:
    model = detector(arcface=False)
    state = model.init(jax.random.key(0))
    after, metrics = jax.jit(model.train_step)(state, batch())
    kernels = [np.asarray(each.params["linear"]["kernel"][...]) for each in (state, after)]
    assert np.any(kernels[0] != kernels[1])
    assert np.isfinite(metrics["loss"])
    report = jax.jit(model.report)(after, batch())
    np.testing.assert_array_equal(report["nll"], report["nll_margin"])


@pytest.mark.parametrize("samples", [4096, 4100, 5119])
def test_the_learned_spectrogram_has_the_shape_of_the_log_mel(samples: int) -> None:
    mel = SMALL.features
    frames = mel.frames(samples)
    network = TgramNet(frames, mel.n_mels, mel.n_fft, mel.hop, rngs=nnx.Rngs(0))
    assert network(jnp.zeros((2, samples))).shape == (2, frames, mel.n_mels)
    assert mel(jnp.zeros((2, samples))).shape == (2, frames, mel.n_mels)


def test_a_step_is_compiled_once(trained: Trained) -> None:
    """A state whose types drift from step to step would compile the network again and again."""
    assert trained.traces == 1


@pytest.mark.parametrize(("platform", "transform"), [("cuda", "f64"), ("tpu", "f32")])
def test_accelerators_get_their_own_operations(platform: str, transform: str) -> None:
    """The CPU's loops over samples stay on the CPU, and TPUs are not asked for double precision."""
    model = detector()
    state = jax.eval_shape(model.init, jax.random.key(0))
    text = (
        jax.jit(model.train_step)
        .trace(state, batch())
        .lower(lowering_platforms=(platform,))
        .as_text()
    )
    assert "stablehlo.while" not in text
    transforms = [line for line in text.splitlines() if "stablehlo.fft" in line]
    assert transforms
    assert all(f"x{transform}>" in line for line in transforms)
