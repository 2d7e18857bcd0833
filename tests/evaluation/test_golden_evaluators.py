"""Unit cases and the official evaluators' own result files."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from asd_jax.evaluation.foreign import evaluate_foreign_scores
from asd_jax.evaluation.metrics import (
    arithmetic_mean,
    auc,
    harmonic_mean,
    pauc,
    precision_recall_f1,
)
from asd_jax.evaluation.truth import read_truths

pytestmark = pytest.mark.golden


def recorded_cases(shared: Path) -> dict[str, np.ndarray]:
    path = shared / "golden" / "scores_detectors.npz"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    with np.load(path, allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files if key.startswith("metric_")}


def test_metrics_equal_the_recorded_unit_cases(shared: Path) -> None:
    cases = recorded_cases(shared)
    names = sorted(key.removesuffix("/y") for key in cases if key.endswith("/y"))
    assert names
    for name in names:
        labels, scores = cases[f"{name}/y"], cases[f"{name}/score"]
        decisions = scores > cases[f"{name}/threshold"]
        ours = [auc(labels, scores), pauc(labels, scores)]
        ours += precision_recall_f1(labels, decisions)
        expected = cases[f"{name}/auc_pauc_prec_rec_f1"]
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-15, err_msg=name)


def test_means_equal_the_recorded_ones(shared: Path) -> None:
    cases = recorded_cases(shared)
    # The order in which the cases were averaged does not matter; all of them were.
    table = [cases[key] for key in cases if key.endswith("/auc_pauc_prec_rec_f1")]
    for mean, key in ((arithmetic_mean, "metric_amean"), (harmonic_mean, "metric_hmean")):
        ours = [mean(column) for column in np.array(table).T]
        np.testing.assert_allclose(ours, cases[key], rtol=1e-12)


def evaluators(shared: Path, tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """The recorded result file of every team of every evaluator, and ours, written with the literal halves."""
    root = shared / "golden" / "evaluators"
    years = sorted(path for path in root.glob("*") if path.is_dir())
    if not years:
        pytest.skip(f"no evaluator inputs under {root}")
    for year in years:
        truths = read_truths(year)
        found = evaluate_foreign_scores(
            year,
            tmp_path / year.name,
            year.name,
            truths,
            layout="evaluator",
            literal_halves=True,
            plots=False,
        )
        assert found, year
        for result in found:
            assert not result.judged.faults, result.judged.faults
            assert result.checked, f"no recorded result of {result.score_set.folder}"
            (recorded,) = {number.published.path for number in result.checked}
            yield recorded, result.results.directory / "result.csv"


def lines_of(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def as_number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def test_result_files_equal_the_official_evaluators_line_by_line(
    shared: Path, tmp_path: Path
) -> None:
    """Every line, cell and number of the file, of the metrics, means, official score and its interval."""
    compared = 0
    for recorded_path, our_path in evaluators(shared, tmp_path):
        recorded, ours = lines_of(recorded_path), lines_of(our_path)
        assert len(ours) == len(recorded), recorded_path
        for our_line, line in zip(ours, recorded, strict=True):
            assert len(our_line) == len(line), f"{recorded_path}: {line}"
            for our_cell, cell in zip(our_line, line, strict=True):
                number, our_number = as_number(cell), as_number(our_cell)
                if number is None or our_number is None or cell.isdigit():
                    assert our_cell == cell, f"{recorded_path}: {line}"
                    continue
                assert math.isclose(our_number, number, rel_tol=1e-9), f"{recorded_path}: {line}"
                compared += 1
    assert compared


def test_comparing_tables_finds_the_recorded_numbers_equal(shared: Path, tmp_path: Path) -> None:
    """Numbers that an evaluator's slip changes are told apart from those of the definition."""
    root = shared / "golden" / "evaluators"
    years = sorted(path for path in root.glob("*") if path.is_dir())
    if not years:
        pytest.skip(f"no evaluator inputs under {root}")
    for year in years:
        for result in evaluate_foreign_scores(
            year, tmp_path / year.name, year.name, read_truths(year), plots=False
        ):
            assert {number.verdict for number in result.checked} <= {"equal", "literal"}
            assert result.is_sound
