"""The whole flow on real recordings, from their archives to the year's result table."""

import csv
import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import tfds_dcase
from tfds_dcase.layouts import LAYOUTS

from asd_jax.config import Experiment, override
from asd_jax.data.clips import all_clips, select_clips
from asd_jax.evaluation.clip_scores import read_clip_scores
from asd_jax.evaluation.evaluate import evaluate
from asd_jax.training.experiment import load_experiment, train

pytestmark = pytest.mark.recordings


def test_recordings_run_through_to_a_result_table(
    shared: Path, tiny: Experiment, tmp_path: Path
) -> None:
    """Whatever years, machine types and clip lengths lie there: every test clip gets a score and a decision."""
    folders = sorted(path for path in (shared / "recordings").glob("*") if path.is_dir())
    years = {folder: re.search(r"20\d\d", folder.name) for folder in folders}
    known = {folder: f"dcase{year[0]}" for folder, year in years.items() if year}
    readable = {folder: dataset for folder, dataset in known.items() if dataset in LAYOUTS}
    if not readable:
        pytest.skip(f"no recordings of {', '.join(LAYOUTS)} in {shared / 'recordings'}")
    for folder, dataset in readable.items():
        check_flow(folder, dataset, tiny, tmp_path / folder.name)


def check_flow(archives: Path, dataset: str, tiny: Experiment, workdir: Path) -> None:
    data_dir = workdir / "datasets"
    tfds_dcase.prepare(dataset, archives, data_dir)
    settings: list[Any] = [f"data.dataset={dataset}", f"data.data_dir={data_dir}"]
    settings += ["training.epochs=1", "evaluation.loudness=true", "evaluation.threshold_clips=5"]
    # Two seconds a window: clips of 10 and 11 s have several, the last one overlaps.
    settings += [
        "detector.clip.samples=32000",
        "training.batch_size=16",
        "evaluation.batch_size=32",
    ]
    experiment = override(tiny, settings)
    assert dataclasses.asdict(experiment.detector)["clip"]["training"] == "random"
    train(experiment, workdir)
    results = evaluate(load_experiment(workdir), workdir)
    assert results is not None
    tested = select_clips(all_clips(dataset, str(data_dir)), ["dev"], "test", [])
    scored = read_clip_scores(results.directory)
    assert sorted((clip.machine_type, clip.file_name) for clip in scored) == sorted(
        (clip.machine_type, clip.file_name) for clip in tested
    )
    assert {clip.decision for clip in scored} <= {0, 1}
    with (results.directory / "result.csv").open(newline="") as file:
        first_cells = [row[0] for row in csv.reader(file) if row]
    assert {clip.machine_type for clip in tested} <= set(first_cells)
    assert results.summary is not None
    assert 0 <= results.summary.mean_auc <= 1
