"""Systems on the same clips: means, spreads, and differences that are paired by clips."""

import csv
import io
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asd_jax.evaluation.clip_scores import ClipScore, write_clip_scores
from asd_jax.evaluation.comparison import ALL_TYPES, System, compare, read_system
from asd_jax.evaluation.comparison_tables import (
    comparison_csv,
    comparison_latex,
    comparison_text,
    published_systems,
    write_comparison,
)
from asd_jax.evaluation.summary import summarise
from asd_jax.evaluation.tables import result_rows

SECTIONS = {"ToyCar": ("id_01", "id_02"), "fan": ("id_00", "id_02")}


def make_run(seed: int, difficulty: float = 1.0, noise: float = 1.0) -> tuple[ClipScore, ...]:
    """Scores that share the clips' own difficulty whatever the seed."""
    own, rng = np.random.default_rng(99), np.random.default_rng(seed)
    clips = []
    for machine_type, sections in SECTIONS.items():
        for section in sections:
            for label in ("normal", "anomaly"):
                for i in range(40):
                    score = own.normal() + difficulty * (label == "anomaly") + noise * rng.normal()
                    name = f"{label}_{section}_{i:08d}.wav"
                    clips.append(
                        ClipScore(machine_type, section, "unknown", name, score, None, label)
                    )
    return tuple(clips)


def test_means_and_spreads_are_those_of_the_runs_tables() -> None:
    runs = tuple(make_run(seed) for seed in range(3))
    found = compare([System("a", runs)], "dcase2020", "development", resamples=100).numbers["a"]
    tables = [summarise("dcase2020", result_rows("dcase2020", run)) for run in runs]
    for name in ("mean_auc", "mean_pauc", "minimum_auc"):
        values = [getattr(table, name) for table in tables]
        assert found[ALL_TYPES, name].mean == pytest.approx(np.mean(values))
        assert found[ALL_TYPES, name].spread == pytest.approx(np.std(values, ddof=1))
    fan = [[row for row in result_rows("dcase2020", r) if row.machine_type == "fan"] for r in runs]
    areas = [np.mean([row.metrics["AUC"] for row in rows]) for rows in fan]
    assert found["fan", "mean_auc"].mean == pytest.approx(np.mean(areas))


def test_one_run_has_no_spread_and_the_first_system_no_difference() -> None:
    found = compare([System("a", (make_run(0),))], "dcase2020", "development", resamples=100)
    number = found.numbers["a"][ALL_TYPES, "mean_auc"]
    assert math.isnan(number.spread)
    assert math.isnan(number.difference)
    assert number.interval[0] < number.mean < number.interval[1]


def test_differences_are_paired_by_clips() -> None:
    """Two systems that stumble over the same clips differ far more surely than their own intervals tell."""
    systems = [
        System("a", (make_run(0, noise=0.1),)),
        System("b", (make_run(1, difficulty=1.3, noise=0.1),)),
    ]
    found = compare(systems, "dcase2020", "development", resamples=400).numbers
    ours, theirs = found["a"][ALL_TYPES, "mean_auc"], found["b"][ALL_TYPES, "mean_auc"]
    assert theirs.difference == pytest.approx(theirs.mean - ours.mean)
    low, high = theirs.difference_interval
    assert 0 < low < theirs.difference < high
    assert high - low < 0.5 * (theirs.interval[1] - theirs.interval[0])


def test_a_system_does_not_differ_from_itself() -> None:
    run = make_run(0)
    found = compare(
        [System("a", (run,)), System("b", (run,))], "dcase2020", "development", resamples=100
    )
    number = found.numbers["b"][ALL_TYPES, "mean_auc"]
    assert (number.difference, number.difference_interval) == (0.0, (0.0, 0.0))


def test_runs_that_vary_widen_the_interval() -> None:
    alike = tuple(make_run(0) for _ in range(3))
    varied = (make_run(0, 0.2), make_run(0, 1.0), make_run(0, 2.0))
    widths = []
    for runs in (alike, varied):
        found = compare([System("a", runs)], "dcase2020", "development", resamples=300).numbers
        low, high = found["a"][ALL_TYPES, "mean_auc"].interval
        widths.append(high - low)
    assert widths[1] > 1.5 * widths[0]


def test_only_common_clips_are_compared_whatever_their_order() -> None:
    run = make_run(0)
    part = tuple(reversed(run[10:]))
    found = compare(
        [System("a", (run,)), System("b", (part,))], "dcase2020", "development", resamples=100
    )
    assert found.clips == len(run) - 10
    assert found.remarks == ("10 clips that some runs lack are left out",)
    assert found.numbers["b"][ALL_TYPES, "mean_auc"].difference == 0.0


def test_nothing_in_common_and_one_name_twice_are_errors() -> None:
    run = make_run(0)
    other = tuple(replace(clip, file_name="x" + clip.file_name) for clip in run)
    with pytest.raises(ValueError, match="no labelled test clip is common"):
        compare([System("a", (run,)), System("b", (other,))], "dcase2020", "development")
    with pytest.raises(ValueError, match="two systems have one name: a, a"):
        compare([System("a", (run,)), System("a", (run,))], "dcase2020", "development")


def written(folder: Path, run: tuple[ClipScore, ...], prefix: str = "") -> Path:
    folder.mkdir()
    for path in write_clip_scores(folder, "dcase2020", run):
        path.rename(path.with_name(prefix + path.name))
    return folder


def test_runs_are_read_from_folders_of_scores(tmp_path: Path) -> None:
    paths = [written(tmp_path / str(seed), make_run(seed)) for seed in range(2)]
    system, year = read_system("a", paths, "development", None)
    assert year == "dcase2020"
    assert system.protocol == "unknown"
    assert [{clip.score for clip in run} for run in system.runs] == [
        {clip.score for clip in make_run(seed)} for seed in range(2)
    ]


def test_scores_that_an_oracle_chose_are_marked_in_every_table(tmp_path: Path) -> None:
    honest = written(tmp_path / "a", make_run(0))
    chosen = written(tmp_path / "b", make_run(1), "oracle_")
    systems = [read_system(path.name, [path], "development", None)[0] for path in (honest, chosen)]
    assert [system.is_oracle for system in systems] == [False, True]
    comparison = compare(systems, "dcase2020", "development", resamples=100)
    text = write_comparison(tmp_path / "out", comparison)
    assert "ORACLE (chosen by the labels of these clips): b" in text.splitlines()[0]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"oracle_comparison.{ending}" for ending in ("csv", "tex", "txt")
    ]
    assert "b (oracle)" in comparison_latex(comparison)
    rows = csv.DictReader(io.StringIO(comparison_csv(comparison)))
    assert {row["system"]: row["protocol"] for row in rows} == {"a": "unknown", "b": "oracle"}


def test_faulty_and_several_scores_are_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "a", make_run(0))
    (folder / "x_anomaly_score_fan_id_00.csv").write_text("normal_id_00_00000000.wav,1\n")
    with pytest.raises(ValueError, match="scores of several systems"):
        read_system("a", [folder], "development", None)
    (folder / "x_anomaly_score_fan_id_00.csv").unlink()
    with pytest.raises(ValueError, match="no scores of evaluation clips"):
        read_system("a", [folder], "evaluation", None)
    (folder / "anomaly_score_fan_id_00.csv").write_text("normal_id_00_00000000.wav,nan\n")
    with pytest.raises(
        ValueError, match="the score of normal_id_00_00000000.wav is nan".replace(".", r"\.")
    ):
        read_system("a", [folder], "development", None)


def test_tables_hold_every_system_and_published_numbers() -> None:
    runs = (make_run(0), make_run(1))
    systems = [System("a&b", runs), System("c", (make_run(2),))]
    comparison = compare(systems, "dcase2020", "development", resamples=100)
    published = published_systems("dcase2020", "development")
    assert {"STgram-MFN", "AEGAN-AD", "AE baseline"} <= {other.name for other in published}
    text = comparison_text(comparison, published)
    for part in ("a&b", "±", "difference to a&b", "92.36", "80.38", "84.86", "test labels"):
        assert part in text, part
    latex = comparison_latex(comparison, published)
    assert r"a\&b" in latex
    assert latex.count(r"\\") == 2 + 1 + 2
    rows = [*csv.DictReader(io.StringIO(comparison_csv(comparison, published)))]
    (row,) = [
        r for r in rows if (r["system"], r["machine type"], r["number"]) == ("c", "fan", "AUC")
    ]
    assert float(row["mean"]) == comparison.numbers["c"]["fan", "mean_auc"].mean
    (row,) = [
        r
        for r in rows
        if (r["system"], r["machine type"], r["number"]) == ("STgram-MFN", "all", "AUC")
    ]
    assert float(row["mean"]) == pytest.approx(0.9236)


def test_published_numbers_average_to_their_means() -> None:
    """A slip of a digit in the packaged file would show."""
    for other in published_systems("dcase2020", "development"):
        for name in {name for _, name in other.numbers}:
            of_types = [v for (kind, n), v in other.numbers.items() if n == name and kind]
            assert len(of_types) == 6
            assert np.mean(of_types) == pytest.approx(other.numbers[ALL_TYPES, name], abs=1.5e-4)
