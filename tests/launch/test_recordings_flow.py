"""The whole flow on real recordings, from their archives to the year's result table."""

import csv
import functools
import itertools
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import tfds_dcase
from tfds_dcase.layouts import LAYOUTS

from asd_jax.config import Experiment, load_config, override
from asd_jax.data.clips import all_clips, select_clips
from asd_jax.evaluation.clip_scores import ClipScore
from asd_jax.evaluation.evaluate import evaluate
from asd_jax.evaluation.score_files import read_clip_scores
from asd_jax.training.experiment import load_experiment, train

pytestmark = pytest.mark.recordings

DEMOS = sorted((Path(__file__).parents[2] / "configs").glob("demo*.py"))
Recordings = Callable[[int], tuple[str, str]]


@pytest.fixture(scope="module")
def recordings(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    """Gives one of the folders of recordings, whichever years lie there, as dataset and data_dir; prepared once."""
    folders = {
        f"dcase{year[0]}": path
        for path in sorted((shared / "recordings").glob("*"))
        if path.is_dir() and (year := re.search(r"20\d\d", path.name))
    }
    known = [(name, path) for name, path in folders.items() if name in LAYOUTS]
    if not known:
        pytest.skip(f"no recordings of {', '.join(LAYOUTS)} in {shared / 'recordings'}")

    @functools.cache
    def prepare(number: int) -> tuple[str, str]:
        dataset, archives = known[number % len(known)]
        data_dir = tmp_path_factory.mktemp(dataset)
        tfds_dcase.prepare(dataset, archives, data_dir)
        return dataset, str(data_dir)

    return lambda number: prepare(number % len(known))


def test_recordings_run_through_to_a_result_table(
    recordings: Recordings, tiny: Experiment, tmp_path: Path
) -> None:
    """Whatever machine types and clip lengths there are, every test clip gets a score and a decision.

    Two seconds a window: clips of 10 and 11 s have several, the last one overlaps.
    """
    windows = ["detector.clip.samples=32000", "training.batch_size=16", "evaluation.batch_size=32"]
    for number in range(2):
        check_flow(recordings(number), override(tiny, windows), [], tmp_path / str(number))


@pytest.mark.parametrize(
    ("demo", "number"),
    list(zip(DEMOS, itertools.count(), strict=False)),
    ids=lambda case: getattr(case, "stem", ""),
)
def test_every_detector_hears_recordings(
    demo: Path, number: int, recordings: Recordings, tmp_path: Path
) -> None:
    """The demo recipes, each on the recordings of one year, with windows and networks of full size."""
    experiment = override(load_config(demo), ["training.batch_size=7", "evaluation.batch_size=8"])
    dataset, data_dir = recordings(number)
    trained = select_clips(all_clips(dataset, data_dir), ["dev"], "train", [])
    types = sorted({clip.machine_type for clip in trained})[:2]
    if experiment.data.one_model_per != "all":
        types = types[:1]
    scored = check_flow((dataset, data_dir), experiment, types, tmp_path)
    # Keras's slow running statistics let MobileNetV2's signals fade out until some hundred steps have passed.
    if "mobilenetv2" not in demo.stem:
        assert len({clip.score for clip in scored}) > len(scored) // 2


def check_flow(
    recordings: tuple[str, str], experiment: Experiment, machine_types: list[str], workdir: Path
) -> list[ClipScore]:
    dataset, data_dir = recordings
    trained = select_clips(all_clips(dataset, data_dir), ["dev"], "train", machine_types)
    settings = [f"data.dataset={dataset}", f"data.data_dir={data_dir}", "training.epochs=1"]
    settings += [f"data.machine_types={','.join(machine_types)}"]
    settings += ["evaluation.loudness=true", "evaluation.threshold_clips=5"]
    if len({(clip.machine_type, clip.section) for clip in trained}) == 1:
        # A classifier needs classes: one section has those of its operating conditions.
        settings += ["data.class_by=machine_type,attributes"]
    if hasattr(experiment.detector, "autoencoder_epochs"):
        settings += ["training.epochs=2", "detector.autoencoder_epochs=1"]
    train(override(experiment, settings), workdir)
    results = evaluate(load_experiment(workdir), workdir)
    assert results is not None
    tested = select_clips(all_clips(dataset, data_dir), ["dev"], "test", machine_types)
    scored = read_clip_scores(results.directory)
    assert sorted((clip.machine_type, clip.file_name) for clip in scored) == sorted(
        (clip.machine_type, clip.file_name) for clip in tested
    )
    assert {clip.decision for clip in scored} <= {0, 1}
    assert all(math.isfinite(clip.score) for clip in scored)
    with (results.directory / "result.csv").open(newline="") as file:
        first_cells = [row[0] for row in csv.reader(file) if row]
    assert {clip.machine_type for clip in tested} <= set(first_cells)
    assert results.summary is not None
    assert 0 <= results.summary.mean_auc <= 1
    return scored
