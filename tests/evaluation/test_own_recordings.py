"""Results of own recordings are read back as they were written: clips by their paths, sections as the data say."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import tfds_dcase

from asd_jax.config import Experiment, override
from asd_jax.data.clips import all_clips
from asd_jax.evaluation.comparison import compare, read_system
from asd_jax.evaluation.evaluate import evaluate
from asd_jax.evaluation.foreign import evaluate_foreign_scores
from asd_jax.evaluation.results import Results
from asd_jax.evaluation.score_files import read_clip_scores
from asd_jax.evaluation.truth import truths_of_dataset
from asd_jax.training.experiment import load_experiment, train
from tests.tfds_dcase.own_recordings import write

SECTIONS = ("section_001", "section_2", "id_3")


@pytest.fixture(scope="module")
def evaluated(tiny: Experiment, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    """The README's layout: every folder has a recording `a.wav`."""
    folder = tmp_path_factory.mktemp("own")
    for section in SECTIONS:
        for place in ("train", "test/normal", "test/anomaly"):
            names = [f"pump/{section}/{place}/{name}.wav" for name in "abcd"]
            write(folder / "recordings", *names)
    tfds_dcase.prepare("folder", folder / "recordings", folder / "data")
    settings = ["data.dataset=folder", f"data.data_dir={folder / 'data'}", "training.epochs=1"]
    train(override(tiny, settings), folder / "run")
    results = evaluate(load_experiment(folder / "run"), folder / "run")
    assert results is not None
    return folder, results


def test_compare_and_metrics_read_what_evaluate_wrote(evaluated: Any, tmp_path: Path) -> None:
    folder, results = evaluated
    system, year = read_system("a", [folder / "run"], "development", None)
    assert year == "folder"
    (clips,) = system.runs
    known = {c.file_name: c for c in all_clips("folder", str(folder / "data")) if "test" in c.split}
    assert {clip.file_name for clip in clips} == set(known)
    assert {clip.section for clip in clips} == set(SECTIONS)
    for clip in clips:
        assert (clip.section, clip.label) == (
            known[clip.file_name].section,
            known[clip.file_name].label,
        )
    compared = compare([system, dataclasses.replace(system, name="b")], "folder", "development", 20)
    assert compared.clips == len(known) == 24
    assert compared.numbers["a"]["", "mean_auc"].mean == results.summary.mean_auc
    truths = truths_of_dataset("folder", str(folder / "data"))
    (found,) = evaluate_foreign_scores(results.directory, tmp_path, "folder", truths, plots=False)
    assert not found.judged.faults
    assert {number.verdict for number in found.checked} == {"equal"}
    assert found.results.summary is not None
    assert found.results.summary.mean_auc == results.summary.mean_auc


def test_a_clip_that_is_missing_in_one_folder_is_named_by_its_path(
    evaluated: Any, tmp_path: Path
) -> None:
    folder, results = evaluated
    for path in results.directory.glob("*_score_*.csv"):
        lines = path.read_text().splitlines()
        kept = [line for line in lines if "section_001/test/normal/a.wav" not in line]
        (tmp_path / path.name).write_text("\n".join(kept) + "\n")
    truths = truths_of_dataset("folder", str(folder / "data"))
    (found,) = evaluate_foreign_scores(tmp_path, tmp_path / "out", "folder", truths, plots=False)
    (fault,) = found.judged.faults
    assert fault == (
        "pump section_001: 1 of 8 clips are missing: pump/section_001/test/normal/a.wav"
    )


def test_clips_of_a_year_are_known_by_their_base_names(tmp_path: Path) -> None:
    text = "./fan/test/normal_id_00_00000000.wav,1\nfan\\test\\anomaly_id_00_00000000.wav,2\n"
    (tmp_path / "anomaly_score_fan_id_0.csv").write_text(text)
    clips = read_clip_scores(tmp_path)
    assert {clip.section for clip in clips} == {"id_00"}
    assert all("/" not in clip.file_name for clip in clips)
