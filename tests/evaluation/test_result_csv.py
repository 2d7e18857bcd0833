"""`result.csv` in the layouts of the evaluators, and where these slip."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest

from asd_jax.evaluation.clip_scores import ClipScore
from asd_jax.evaluation.metrics import harmonic_mean
from asd_jax.evaluation.result_csv import evaluator_ci95, write_result_csv
from asd_jax.evaluation.tables import ResultRow, result_rows

TYPES = ("ToyCar", "bearing", "fan", "valve")


def make_clips(sections: int) -> list[ClipScore]:
    rng = np.random.default_rng(0)
    return [
        ClipScore(
            machine_type,
            f"section_{section:02d}",
            domain,
            f"{domain}_{label}_{i}.wav",
            float(rng.normal() + (label == "anomaly")),
            int(rng.integers(0, 2)),
            label,
        )
        for machine_type in TYPES
        for section in range(3, 3 + sections)
        for domain in ("source", "target")
        for label in ("normal", "anomaly")
        for i in range(8)
    ]


def lines_of(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def written(
    tmp_path: Path, year: int, rows: list[ResultRow], literal_halves: bool = False
) -> list[list[str]]:
    path = tmp_path / "result.csv"
    write_result_csv(path, f"dcase{year}", rows, "evaluator", 0.25, literal_halves)
    return lines_of(path)


def cell(lines: list[list[str]], row: str, column: str, block: str | None = "ToyCar") -> float:
    """Of a mean row in a machine type's block, or behind all of them."""
    start = lines.index([block]) if block else 0
    line = next(line for line in lines[start:] if line and line[0] == row)
    header = next(
        line for line in reversed(lines[: lines.index(line)]) if column in line and line[0] != row
    )
    return float(line[header.index(column)])


def test_2021_lists_domains_and_means_of_each(tmp_path: Path) -> None:
    rows = result_rows("dcase2021", make_clips(3))
    lines = written(tmp_path, 2021, rows)
    assert lines[1] == ["section", "domain", "AUC", "pAUC", "precision", "recall", "F1 score"]
    own = [row for row in rows if row.machine_type == "ToyCar"]
    for domain in ("source", "target"):
        terms = [row.metrics["AUC"] for row in own if row.domain == domain]
        found = cell(lines, f"{domain} harmonic mean", "AUC")
        assert found == pytest.approx(harmonic_mean(terms))
    assert lines[-2][:2] == ["official score", ""]
    terms = [row.metrics[name] for row in rows for name in ("AUC", "pAUC")]
    assert float(lines[-2][2]) == pytest.approx(harmonic_mean(terms))


@pytest.mark.parametrize(
    ("year", "source_rows"), [(2021, len(TYPES) // 2), (2022, 3 // 2), (2023, 3)]
)
def test_literal_halves_are_those_of_the_years_evaluator(
    year: int, source_rows: int, tmp_path: Path
) -> None:
    """Half the machine types in 2021, half the sections in 2022; right from 2023 on."""
    rows = result_rows(f"dcase{year}", make_clips(3))
    lines = written(tmp_path, year, rows, literal_halves=True)
    own = [row for row in rows if row.machine_type == "ToyCar"]
    if year == 2021:
        terms = [row.metrics["AUC"] for row in own]
    else:
        terms = [row.metrics[f"AUC ({name})"] for name in ("source", "target") for row in own]
    found = [cell(lines, f"{name} harmonic mean", "AUC") for name in ("source", "target")]
    expected = [harmonic_mean(terms[:source_rows]), harmonic_mean(terms[source_rows:])]
    assert found == pytest.approx(expected)
    right = written(tmp_path, year, rows)
    assert cell(right, "source harmonic mean", "AUC") == pytest.approx(harmonic_mean(terms[:3]))


@pytest.mark.parametrize("year", [2022, 2023, 2025])
def test_from_2022_the_evaluators_list_auc_over_all_and_an_interval(
    year: int, tmp_path: Path
) -> None:
    rows = result_rows(f"dcase{year}", make_clips(1))
    lines = written(tmp_path, year, rows)
    assert lines[1][:5] == ["section", "AUC (all)", "AUC (source)", "AUC (target)", "pAUC"]
    assert lines[3] == ["", "", "AUC", "pAUC", "precision", "recall", "F1 score"]
    assert lines[-2] == ["official score ci95", "", "0.25"]
    label = "target harmonic mean over all machine types, sections, and domains"
    terms = [row.metrics["F1 score (target)"] for row in rows]
    assert cell(lines, label, "F1 score", None) == pytest.approx(harmonic_mean(terms))


def test_evaluator_and_baseline_of_2020_are_alike(tmp_path: Path) -> None:
    clips = [ClipScore("fan", "id_01", "unknown", f"{i}.wav", i, None, "normal") for i in range(2)]
    clips.append(ClipScore("fan", "id_01", "unknown", "2.wav", 1.5, None, "anomaly"))
    rows = result_rows("dcase2020", clips)
    for layout in ("baseline", "evaluator"):
        write_result_csv(tmp_path / layout, "dcase2020", rows, layout)
    assert (tmp_path / "baseline").read_bytes() == (tmp_path / "evaluator").read_bytes()


def test_a_remark_is_the_first_line(tmp_path: Path) -> None:
    path = tmp_path / "result.csv"
    rows = result_rows("dcase2023", make_clips(1))
    write_result_csv(path, "dcase2023", rows, remark="ORACLE, made with labels")
    assert lines_of(path)[:2] == [["ORACLE, made with labels"], ["ToyCar"]]


def test_the_interval_needs_both_classes() -> None:
    normals = [clip for clip in make_clips(1) if clip.label == "normal"]
    assert math.isnan(evaluator_ci95(normals))


def test_no_rows_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no section to write"):
        write_result_csv(tmp_path / "result.csv", "dcase2023", [])
