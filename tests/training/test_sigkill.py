"""A training killed again and again ends with the bits of one that was left alone."""

import json
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from asd_jax.config import Experiment, override
from asd_jax.data.classes import ClassMap
from asd_jax.data.clips import ClipSource
from asd_jax.data.pipeline import training_batches
from asd_jax.training.checkpoints import Checkpoints
from asd_jax.training.experiment import build_detector, load_experiment, training_clips
from asd_jax.training.mesh import data_mesh

STEPS = 60
PATIENCE_SECONDS = 90


def kill_moments(model: Path, chance: random.Random) -> Iterator[tuple[Callable[[], bool], float]]:
    """What to wait for after each start, and how many seconds more until the kill."""

    def saved() -> set[str]:
        return {path.name for path in (model / "checkpoints").glob("*")}

    def new_checkpoint(has_name: Callable[[str], bool]) -> Callable[[], bool]:
        known = saved()
        return lambda: any(has_name(name) for name in saved() - known)

    def rows() -> int:
        path = model / "metrics.jsonl"
        return path.read_bytes().count(b"\n") if path.is_file() else 0

    def after(count: Callable[[], int], more: int) -> Callable[[], bool]:
        goal = count() + more
        return lambda: count() >= goal

    yield (lambda: True), chance.uniform(0.2, 1.5)
    yield (model / "class_map.json").is_file, chance.uniform(0.0, 0.5)
    yield after(rows, 3), 0.0
    yield new_checkpoint(str.isdigit), 0.0
    for _ in range(2):
        yield new_checkpoint(lambda name: "tmp" in name), chance.uniform(0.0, 0.02)
    yield after(rows, 20), chance.uniform(0.0, 0.1)


def wait_for(event: Callable[[], bool], process: Any) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not event() and process.poll() is None:
        assert time.monotonic() < deadline, "the training makes no progress"
        time.sleep(0.001)


def last_state(workdir: Path) -> tuple[list[np.ndarray], Any]:
    """Everything that the last checkpoint holds, and the iterator's state."""
    experiment = load_experiment(workdir)
    clips = training_clips(experiment)
    class_map = ClassMap.fit(clips, experiment.data.class_by)
    source = ClipSource(experiment.data.dataset, experiment.data.data_dir, clips)
    windows = experiment.detector.windows()
    iterator = iter(training_batches(source, [0] * len(clips), windows, 8, 0))
    detector = build_detector(experiment, class_map, len(clips))
    shapes = jax.eval_shape(detector.init, jax.random.key(0))
    with Checkpoints(workdir / "models" / "all" / "checkpoints") as checkpoints:
        assert checkpoints.latest_step() == STEPS
        state = checkpoints.restore(shapes, data_mesh(), iterator)
    state = state.replace(key=jax.random.key_data(state.key))
    return [np.asarray(leaf) for leaf in jax.tree.leaves(state)], iterator.get_state()


def log_rows(model: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (model / "metrics.jsonl").read_text().splitlines()]
    return [{key: row[key] for key in row if key != "clips_per_second"} for row in rows]


def test_killed_training_ends_bit_identical(
    tiny: Experiment, prepared: Any, config_file: Any, launch: Any, tmp_path: Path
) -> None:
    """Killed in start-up, compilation, between steps and while a checkpoint is being written."""
    data_dir = prepared("dcase2020", ["fan", "valve"])
    settings = ["training.epochs=20", "training.checkpoint_every=2", f"data.data_dir={data_dir}"]
    config = config_file(override(tiny, settings))

    def start(workdir: Path) -> Any:
        return launch("train.py", f"--config={config}", f"--workdir={workdir}")

    alone, killed = tmp_path / "alone", tmp_path / "killed"
    process = start(alone)
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, errors

    model = killed / "models" / "all"
    kills = []
    for event, delay in kill_moments(model, random.Random(20)):
        process = start(killed)
        wait_for(event, process)
        time.sleep(delay)
        process.kill()
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)
        if process.returncode == 0:
            break
        assert process.returncode == -signal.SIGKILL, errors
        steps = [int(p.name) for p in (model / "checkpoints").glob("*") if p.name.isdigit()]
        kills.append(max(steps, default=0))
    assert len(kills) >= 5
    assert len({step for step in kills if 0 < step < STEPS}) >= 3, kills
    process = start(killed)
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, errors

    (leaves, position), (expected, expected_position) = last_state(killed), last_state(alone)
    assert position == expected_position
    for leaf, other in zip(leaves, expected, strict=True):
        assert leaf.dtype == other.dtype
        np.testing.assert_array_equal(leaf, other)
    rows = log_rows(model)
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert rows == log_rows(alone / "models" / "all")
    events = EventAccumulator(str(model / "tensorboard")).Reload().Scalars("loss")
    assert [event.step for event in events] == list(range(1, STEPS + 1))
    assert not list((model / "checkpoints").glob("*tmp*")), "remains of killed writers"
