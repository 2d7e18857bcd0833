"""The folder of one evaluation: complete, replaced as a whole, and never somebody else's."""

import dataclasses
import json
import math
import os
import socket
import subprocess
from pathlib import Path

import numpy as np
import pytest

from asd_jax.evaluation import results
from asd_jax.evaluation.clip_scores import ClipScore
from asd_jax.evaluation.plots import (
    save_learning_curve,
    save_roc_curves,
    save_score_histograms,
)
from asd_jax.evaluation.results import write_results

PNG = b"\x89PNG\r\n\x1a\n"


def make_clips(labels: tuple[str, ...] = ("normal", "anomaly"), seed: int = 0) -> list[ClipScore]:
    rng = np.random.default_rng(seed)
    return [
        ClipScore(
            "fan", "section_00", domain, f"{domain}_{label}_{index}.wav", rng.normal(), 0, label
        )
        for domain in ("source", "target")
        for label in labels
        for index in range(6)
    ]


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_an_evaluation_leaves_scores_tables_and_plots(tmp_path: Path) -> None:
    clips = make_clips()
    found = write_results(
        tmp_path / "run" / "results", "dcase2023", clips, {}, {"RMS AUC": [0] * 24}
    )
    assert names(found.directory) == [
        "anomaly_score_fan_section_00_test.csv",
        "decision_result_fan_section_00_test.csv",
        "result.csv",
        "roc_curves_fan.png",
        "score_histograms_fan.png",
        "summary.json",
        "table.txt",
    ]
    assert names(tmp_path / "run") == ["results"]
    assert (found.directory / "table.txt").read_text() == found.text + "\n"
    assert found.summary is not None
    saved = json.loads((found.directory / "summary.json").read_text())
    assert saved["official_score"] == found.summary.official_score
    assert saved["extra_means"] == {"RMS AUC": 0.5}


def test_without_labels_only_scores_and_decisions_are_written(tmp_path: Path) -> None:
    found = write_results(tmp_path / "results", "dcase2023", make_clips(("unknown",)), {})
    assert found.summary is None
    assert "labels of all 12 test clips are unknown" in found.text
    assert names(found.directory) == [
        "anomaly_score_fan_section_00_test.csv",
        "decision_result_fan_section_00_test.csv",
    ]


def test_some_clips_without_labels_are_counted_in_the_text(tmp_path: Path) -> None:
    clips = make_clips(("normal", "anomaly", "unknown"))
    text = write_results(tmp_path / "results", "dcase2023", clips, {}).text
    assert "12 of 36 test clips have no label" in text


def test_undefined_numbers_are_null_in_json(tmp_path: Path) -> None:
    found = write_results(tmp_path / "results", "dcase2023", make_clips(("normal",)), {})
    saved = json.loads(
        (found.directory / "summary.json").read_text(),
        parse_constant=lambda name: pytest.fail(name),
    )
    assert saved["mean_auc"] is None
    assert saved["missing"] == ["fan section_00"]


def test_a_second_evaluation_replaces_the_first_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "results"
    write_results(target, "dcase2023", make_clips(), {})
    write_results(target, "dcase2023", make_clips(("unknown",), seed=1), {})
    assert "result.csv" not in names(target)
    assert names(tmp_path) == ["results"]


@pytest.mark.parametrize("step", ["write_result_csv", "save_roc_curves", "_swap_in"])
def test_a_failure_leaves_the_earlier_results_untouched(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "results"
    write_results(target, "dcase2023", make_clips(), {})
    before = {path.name: path.read_bytes() for path in target.iterdir()}

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(results, step, fail)
    with pytest.raises(OSError, match="disk full"):
        write_results(target, "dcase2023", make_clips(seed=1), {})
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before
    assert names(tmp_path) == ["results"]


def test_a_folder_with_other_files_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    with pytest.raises(FileExistsError, match="holds checkpoint"):
        write_results(tmp_path, "dcase2023", make_clips(), {})
    assert names(tmp_path) == ["checkpoint"]


def test_no_clips_and_bad_clips_write_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no clip to evaluate"):
        write_results(tmp_path / "results", "dcase2023", [], {})
    bad = ClipScore("fan", "section_00", "source", "a.wav", float("nan"), 0, "normal")
    with pytest.raises(ValueError, match=r"fan/a\.wav"):
        write_results(tmp_path / "results", "dcase2023", [bad], {})
    assert names(tmp_path) == []


@pytest.mark.parametrize("year", [2020, 2021, 2023])
@pytest.mark.parametrize("labels", [("normal", "anomaly"), ("normal",), ("normal", "unknown")])
def test_plots_are_drawn_for_every_year_and_for_one_class_only(
    year: int, labels: tuple[str, ...], tmp_path: Path
) -> None:
    clips = make_clips(labels)
    save_roc_curves(tmp_path / "roc.png", f"dcase{year}", clips)
    save_score_histograms(tmp_path / "scores.png", clips, {("fan", "section_00"): 0.5})
    assert (tmp_path / "roc.png").read_bytes().startswith(PNG)
    assert (tmp_path / "scores.png").read_bytes().startswith(PNG)


def test_a_plot_of_two_machine_types_is_refused(tmp_path: Path) -> None:
    other = ClipScore("pump", "section_00", "source", "a.wav", 0.0, 0, "normal")
    with pytest.raises(ValueError, match="one machine type"):
        save_score_histograms(tmp_path / "scores.png", [*make_clips(), other], {})


def test_a_learning_curve_takes_any_quantities_gaps_and_one_row(tmp_path: Path) -> None:
    rows: list[dict[str, float]] = [
        {"step": 10, "epoch": 0.5, "loss": 900.0, "learning_rate": 1e-4},
        {"step": 20, "epoch": 1.0, "loss": float("nan")},
        {"step": 30, "epoch": 1.5, "loss": 1.0, "accuracy": 0.5},
    ]
    for count in (1, 3):
        save_learning_curve(tmp_path / "curve.png", rows[:count])
        assert (tmp_path / "curve.png").read_bytes().startswith(PNG)
    for bad in ([], [{"loss": 1.0}]):
        with pytest.raises(ValueError, match="each hold a 'step'"):
            save_learning_curve(tmp_path / "curve.png", bad)


def left_by(process: int, parent: Path) -> Path:
    """The folder of an evaluation that was killed while it replaced the results."""
    left = parent / f".results-{socket.gethostname()}-{process}-abc12xyz"
    (left / "replaced").mkdir(parents=True)
    (left / "fresh").mkdir()
    (left / "replaced" / "table.txt").write_text("earlier")
    return left


def test_what_a_killed_evaluation_left_is_cleared_and_its_results_put_back(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = left_by(ended.pid, tmp_path)
    running = left_by(os.getppid(), tmp_path)
    fresh, stale = tmp_path / ".results-abcdefgh", tmp_path / ".results-12345678"
    others = [tmp_path / ".results-of-mine", tmp_path / ".results_oracle-abcdefgh"]
    for folder in (fresh, stale, *others):
        folder.mkdir()
        os.utime(folder, (0, 0))
    os.utime(fresh)
    broken = [dataclasses.replace(clip, score=math.nan) for clip in make_clips()]
    with pytest.raises(ValueError, match="anomaly score is nan"):
        write_results(tmp_path / "results", "dcase2023", broken, {})
    assert (tmp_path / "results" / "table.txt").read_text() == "earlier"
    assert not left.exists()
    assert not stale.exists()
    assert all(folder.is_dir() for folder in (running, fresh, *others))
