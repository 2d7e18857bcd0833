"""The loop with a detector of one number: exact resumption, checkpoints, NaN, logs."""

import dataclasses
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from asd_jax.config import TrainingConfig
from asd_jax.data.clips import ClipSource, all_clips, select_clips
from asd_jax.data.pipeline import training_batches
from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.base import Batch, Detector, Metrics, TrainState
from asd_jax.features.logmel import waveform_from_int16
from asd_jax.training.checkpoints import Checkpoints
from asd_jax.training.logs import TrainingLog, read_log
from asd_jax.training.loop import NonFiniteLossError, Training
from asd_jax.training.mesh import data_mesh

STEPS_PER_EPOCH = 3
CONFIG = TrainingConfig(epochs=4, batch_size=8, log_every=2, checkpoint_every=5, seed=3)


class LevelDetector(Detector):
    """Learns the clips' mean level in dB, from a noisy measurement; may fail at a step."""

    score_names = ("error",)

    def __init__(self, nan_at: int = -1, overflow_at: int = -1):
        self.nan_at, self.overflow_at = nan_at, overflow_at
        self.optimizer = optax.adam(0.1)

    def init(self, key: jax.Array) -> TrainState:
        params = {"level": jax.random.normal(key)}
        return TrainState(
            jnp.zeros((), jnp.int32), key, params, {"heard": 0.0}, self.optimizer.init(params)
        )

    def train_step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        noise = jax.random.normal(jax.random.fold_in(state.key, state.step))
        level = self._level(batch) + noise
        loss, gradients = jax.value_and_grad(
            lambda params: jnp.mean(jnp.square(level - params["level"]))
        )(state.params)
        updates, optimizer = self.optimizer.update(gradients, state.optimizer)
        params = optax.apply_updates(state.params, updates)
        overflow = jnp.where(state.step + 1 == self.overflow_at, jnp.inf, 1.0)
        new_state = state.replace(
            step=state.step + 1,
            params=jax.tree.map(lambda value: value * overflow, params),
            statistics={"heard": state.statistics["heard"] + jnp.mean(level)},
            optimizer=optimizer,
        )
        return new_state, {"loss": jnp.where(state.step + 1 == self.nan_at, jnp.nan, loss)}

    def report(self, state: TrainState, batch: Batch) -> dict[str, jax.Array]:
        return {"error": jnp.abs(self._level(batch) - state.params["level"])}

    def _level(self, batch: Batch) -> jax.Array:
        power = jnp.mean(jnp.square(waveform_from_int16(batch["waveform"])), axis=1)
        return 10 * jnp.log10(power + 1e-10)


CONFIGURATION = '{"name": "level", "training": {"epochs": 2}}'


@pytest.fixture(scope="module")
def source(prepared: Any) -> ClipSource:
    data_dir = prepared("dcase2020", ["fan", "valve"])
    clips = select_clips(all_clips("dcase2020", data_dir), ["dev"], "train", [])
    return ClipSource("dcase2020", data_dir, clips)


@pytest.fixture(scope="module")
def training(source: ClipSource) -> Callable[..., Training]:
    policy = WindowPolicy(samples=8000, training="random")
    clip_ids = [clip.clip_id for clip in source.clips]

    def build(
        folder: Path, detector: Detector | None = None, config: TrainingConfig = CONFIG, **changes
    ) -> Training:
        config = dataclasses.replace(config, **changes)
        batches = training_batches(source, [0] * len(source), policy, 8, config.seed)
        detector = detector or LevelDetector()
        return Training(detector, batches, clip_ids, STEPS_PER_EPOCH, config, CONFIGURATION, folder)

    return build


def leaves(state: TrainState) -> list[np.ndarray]:
    plain = state.replace(key=jax.random.key_data(state.key))
    return [np.asarray(leaf) for leaf in jax.tree.leaves(plain)]


def assert_same(state: TrainState, other: TrainState) -> None:
    for leaf, expected in zip(leaves(state), leaves(other), strict=True):
        np.testing.assert_array_equal(leaf, expected)


def saved_steps(folder: Path) -> list[int]:
    return sorted(int(path.name) for path in (folder / "checkpoints").iterdir())


def restored(folder: Path) -> TrainState:
    with Checkpoints(folder / "checkpoints") as checkpoints:
        shapes = jax.eval_shape(LevelDetector().init, jax.random.key(0))
        return checkpoints.restore(shapes, data_mesh())


def loss_events(folder: Path) -> list[tuple[int, float]]:
    scalars = EventAccumulator(str(folder / "tensorboard")).Reload().Scalars("loss")
    return [(event.step, event.value) for event in scalars]


def test_a_longer_training_goes_on_and_equals_one_in_a_piece(training: Any, tmp_path: Path) -> None:
    """Parameters, statistics, optimiser, key and log are those of a training that never stopped."""
    whole = training(tmp_path / "whole").run()
    for epochs in (1, 2, 4):
        parts = training(tmp_path / "parts", epochs=epochs).run()
        assert int(parts.step) == epochs * STEPS_PER_EPOCH
    assert_same(parts, whole)
    assert_same(restored(tmp_path / "parts"), whole)


def test_a_finished_training_changes_nothing(training: Any, tmp_path: Path) -> None:
    state = training(tmp_path).run()
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert_same(training(tmp_path).run(), state)
    assert files == {
        path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()
    }


def test_the_random_key_and_the_seed_count(training: Any, tmp_path: Path) -> None:
    """Guards the tests of resumption: another seed must give another result."""
    one, other = (training(tmp_path / str(seed), seed=seed).run() for seed in (3, 4))
    assert leaves(one)[-1] != leaves(other)[-1]


@pytest.mark.parametrize(("every", "keep", "kept"), [(5, 2, [10, 12]), (0, 3, [6, 9, 12])])
def test_checkpoints_are_as_many_as_asked_for(
    training: Any, tmp_path: Path, every: int, keep: int, kept: list[int]
) -> None:
    """Every so many steps, or every epoch, and always at the end; the newest stay."""
    training(tmp_path, checkpoint_every=every, keep_checkpoints=keep).run()
    assert saved_steps(tmp_path) == kept


@pytest.mark.parametrize("fault", ["nan_at", "overflow_at"])
def test_numbers_that_are_not_finite_stop_the_training(
    training: Any, source: ClipSource, tmp_path: Path, fault: str
) -> None:
    """The error names the step and the clips of its batch, and what was saved last is whole and finite."""
    batches = training_batches(
        source, [0] * len(source), WindowPolicy(samples=8000, training="random"), 8, CONFIG.seed
    )
    ninth = next(itertools.islice(iter(batches), 8, None))
    clips = [source.clips[clip].clip_id for clip in ninth["clip"]]
    # Noticed when the metrics of step 9 are read, or the state of step 9 is about to be saved.
    changes = {"checkpoint_every": 3}
    with pytest.raises(NonFiniteLossError) as raised:
        training(tmp_path, LevelDetector(**{fault: 9}), **changes).run()
    assert "not finite at step 9" in str(raised.value)
    assert ", ".join(clips) in str(raised.value)
    assert str(tmp_path / "checkpoints") in str(raised.value)
    assert saved_steps(tmp_path) == [3, 6]
    assert all(np.isfinite(leaf).all() for leaf in leaves(restored(tmp_path)))
    whole = training(tmp_path / "whole", **changes).run()
    assert_same(training(tmp_path, **changes).run(), whole)


def test_the_log_holds_means_since_the_last_line(training: Any, tmp_path: Path) -> None:
    """A line every `log_every` steps and before every checkpoint, the same in both files."""
    training(tmp_path / "fine", log_every=1).run()
    training(tmp_path / "coarse", log_every=2).run()
    fine = {row["step"]: row["loss"] for row in read_log(tmp_path / "fine")}
    assert list(fine) == list(range(1, 13))
    coarse = read_log(tmp_path / "coarse")
    assert [row["step"] for row in coarse] == [2, 4, 5, 7, 9, 10, 12]
    before = 0
    for row in coarse:
        steps = range(before + 1, int(row["step"]) + 1)
        assert row["loss"] == pytest.approx(np.mean([fine[step] for step in steps]))
        assert row["epoch"] == row["step"] / STEPS_PER_EPOCH
        assert row["clips_per_second"] > 0
        before = int(row["step"])
    expected = [(row["step"], pytest.approx(row["loss"])) for row in coarse]
    assert loss_events(tmp_path / "coarse") == expected


def test_lines_behind_the_checkpoint_are_written_anew(training: Any, tmp_path: Path) -> None:
    """A training that broke off behind its checkpoint leaves no doubles in either log."""
    with pytest.raises(NonFiniteLossError):
        training(tmp_path, LevelDetector(nan_at=9), log_every=1).run()
    assert [row["step"] for row in read_log(tmp_path)] == list(range(1, 9))
    assert saved_steps(tmp_path) == [5]
    training(tmp_path, log_every=1).run()
    rows = read_log(tmp_path)
    assert [row["step"] for row in rows] == list(range(1, 13))
    assert loss_events(tmp_path) == [(row["step"], pytest.approx(row["loss"])) for row in rows]


def test_a_line_that_a_kill_cut_off_is_passed_over(tmp_path: Path) -> None:
    """And the next training's first line begins a line of its own."""
    row = {"step": 1, "epoch": 0.5, "loss": 2.0, "clips_per_second": 10.0}
    with TrainingLog(tmp_path, 0, 2, "training") as log:
        log.write(row)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(row | {"step": 2})[:-9])
    assert read_log(tmp_path) == [row]
    with TrainingLog(tmp_path, 1, 2, "training") as log:
        log.write(row | {"step": 2})
    assert read_log(tmp_path) == [row, row | {"step": 2}]


def test_without_a_checkpoint_the_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no checkpoint in .*: train first with asd train"):
        restored(tmp_path)


@pytest.mark.parametrize("file", ["state/manifest.ocdbt", "state/_METADATA", "iterator/*.json"])
def test_a_damaged_checkpoint_is_named_with_the_cure(
    training: Any, tmp_path: Path, file: str
) -> None:
    """Following the cure, the training goes on from the checkpoint before and ends the same."""
    whole = training(tmp_path).run()
    (damaged,) = (tmp_path / "checkpoints" / "12").glob(file)
    damaged.write_bytes(damaged.read_bytes()[: damaged.stat().st_size // 2])
    cure = r"checkpoints/12 is damaged.* delete this folder, and training goes on from the checkpoint of step 10"
    with pytest.raises(ValueError, match=cure):
        training(tmp_path).run()
    for path in sorted((tmp_path / "checkpoints" / "12").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (tmp_path / "checkpoints" / "12").rmdir()
    assert_same(training(tmp_path).run(), whole)


def test_a_checkpoint_of_another_network_is_refused(training: Any, tmp_path: Path) -> None:
    class Wider(LevelDetector):
        def init(self, key: jax.Array) -> TrainState:
            state = super().init(key)
            return state.replace(params=state.params | {"slope": jnp.zeros(2)})

    training(tmp_path).run()
    with pytest.raises(
        ValueError,
        match=r"checkpoints/12 is whole, but of another network \(params\.slope is missing there, \[2\] here\)",
    ):
        training(tmp_path, Wider()).run()


def test_checkpoint_holds_the_configuration(
    training: Callable[..., Training], tmp_path: Path
) -> None:
    """A checkpoint that was moved away from its work directory still tells what it is of."""
    training(tmp_path).run()
    newest = max((tmp_path / "checkpoints").glob("[0-9]*"), key=lambda path: int(path.name))
    saved = [json.loads(path.read_text()) for path in (newest / "configuration").glob("metadata")]
    assert saved == [json.loads(CONFIGURATION)]
