"""Every detector trains, resumes and evaluates through the same functions, whatever the year's layout."""

import dataclasses
import itertools
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from asd_jax.config import Experiment, load_config, override
from asd_jax.data.classes import ClassMap
from asd_jax.detectors.base import TrainState
from asd_jax.evaluation.evaluate import evaluate
from asd_jax.evaluation.score_files import read_clip_scores
from asd_jax.simulation import SimulationSize
from asd_jax.training.checkpoints import Checkpoints
from asd_jax.training.experiment import CLASS_MAP_FILE, build_detector, load_experiment, train
from asd_jax.training.loop import CHECKPOINTS
from asd_jax.training.mesh import data_mesh
from tests.small_detectors import CONFIGS

DEMOS = sorted((Path(__file__).parents[2] / "configs").glob("demo_*.py"))
DATASETS = ("dcase2020", "dcase2021", "dcase2023")
CASES = list(zip(DEMOS, itertools.cycle(DATASETS), strict=False))


@pytest.mark.parametrize(("demo", "dataset"), CASES, ids=lambda case: getattr(case, "stem", case))
def test_demo_recipes_train_resume_and_evaluate(
    demo: Path, dataset: str, prepared: Callable[..., str], tmp_path: Path
) -> None:
    """A training that goes on from its first epoch ends bit for bit where the whole one does."""
    size = SimulationSize(sections=2, train=6, test_normal=2, test_anomaly=2)
    data_dir = prepared(dataset, ["fan", "valve"], size=size)
    experiment = small(load_config(demo), dataset, data_dir)
    train(experiment, tmp_path)
    (model,) = (tmp_path / "models").iterdir()
    whole = last_state(experiment, model)
    steps = sorted(int(path.name) for path in (model / CHECKPOINTS).iterdir())
    assert len(steps) == 2
    shutil.rmtree(model / CHECKPOINTS / str(steps[1]))
    train(experiment, tmp_path)
    resumed = last_state(experiment, model)
    assert_equal_states(whole, resumed)
    results = evaluate(load_experiment(tmp_path), tmp_path)
    assert results is not None
    clips = read_clip_scores(results.directory)
    sections = 1 if dataset == "dcase2023" else 2
    assert len(clips) == 4 * sections * len(experiment.data.machine_types)
    assert all(math.isfinite(clip.score) for clip in clips)
    assert len({clip.score for clip in clips}) > 1


def small(experiment: Experiment, dataset: str, data_dir: str) -> Experiment:
    # One model for all tells classes apart: it needs two of them, and 2023 has one section a machine type.
    types = "fan,valve" if experiment.data.one_model_per == "all" else "fan"
    settings = [
        f"data.dataset={dataset}",
        f"data.data_dir={data_dir}",
        f"data.machine_types={types}",
        "training.epochs=2",
        "training.batch_size=3",
        "training.log_every=1",
        "evaluation.batch_size=4",
    ]
    # The networks of full size train on recordings elsewhere. Of two stages the training goes on at their border.
    same_kind = (one for one in CONFIGS.values() if type(one) is type(experiment.detector))
    detector = next(same_kind, experiment.detector)
    return override(dataclasses.replace(experiment, detector=detector), settings)


def last_state(experiment: Experiment, model: Path) -> TrainState:
    detector = build_detector(experiment, ClassMap.load(model / CLASS_MAP_FILE), 1)
    with Checkpoints(model / CHECKPOINTS) as checkpoints:
        return checkpoints.restore(jax.eval_shape(detector.init, jax.random.key(0)), data_mesh())


def assert_equal_states(one: TrainState, other: TrainState) -> None:
    leaves: Any = (jax.tree.leaves(jax.tree.map(np.asarray, plain(s))) for s in (one, other))
    for ours, theirs in zip(*leaves, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def plain(state: TrainState) -> TrainState:
    return state.replace(key=jax.random.key_data(state.key))
