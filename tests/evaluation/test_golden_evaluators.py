"""Unit cases and the official evaluators' own result files."""

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asd_jax.evaluation.clip_scores import ClipScore, read_clip_scores
from asd_jax.evaluation.metrics import (
    arithmetic_mean,
    auc,
    harmonic_mean,
    pauc,
    precision_recall_f1,
)
from asd_jax.evaluation.summary import summarise
from asd_jax.evaluation.tables import ResultRow, mean_rows, result_rows

pytestmark = pytest.mark.golden
LABEL = {"0": "normal", "1": "anomaly"}
DOMAIN = {"0": "source", "1": "target"}


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


def read_pairs(path: Path) -> dict[str, str]:
    with path.open(newline="", encoding="utf-8") as file:
        return {line[0]: line[-1] for line in csv.reader(file) if len(line) > 1}


def truth_of_2020(root: Path) -> dict[tuple[str, str], str]:
    truth, machine_type = {}, ""
    for line in csv.reader((root / "eval_data_list.csv").read_text().splitlines()):
        if len(line) == 1:
            machine_type = line[0]
        elif line:
            truth[machine_type, line[0]] = line[-1]
    return truth


def labelled(root: Path, clips: list[ClipScore]) -> list[ClipScore]:
    """Clips with the labels and domains of the evaluator's ground truth."""
    if (root / "eval_data_list.csv").is_file():
        truth = truth_of_2020(root)
        return [
            replace(clip, label=LABEL[truth[clip.machine_type, clip.file_name]]) for clip in clips
        ]
    done = []
    for clip in clips:
        stem = f"ground_truth_{clip.machine_type}_{clip.section}"
        suffix = f"_{clip.domain}_test.csv" if clip.domain != "unknown" else "_test.csv"
        label = read_pairs(root / "ground_truth_data" / (stem + suffix))[clip.file_name]
        domain_path = root / "ground_truth_domain" / (stem + suffix)
        domain = clip.domain
        if domain_path.is_file():
            domain = DOMAIN[read_pairs(domain_path)[clip.file_name]]
        done.append(replace(clip, label=LABEL[label], domain=domain))
    return done


def evaluations(shared: Path) -> Iterator[tuple[str, Path, list[ResultRow]]]:
    """Year, recorded result file and our rows of every team of every evaluator."""
    root = shared / "golden" / "evaluators"
    folders = sorted({path.parent for path in root.rglob("anomaly_score_*.csv")})
    if not folders:
        pytest.skip(f"no evaluator inputs under {root}")
    for folder in folders:
        year_folder = root / folder.relative_to(root).parts[0]
        results = [
            path
            for path in year_folder.rglob("*.csv")
            if "result" in path.name and folder.name in path.name and "decision" not in path.name
        ]
        assert len(results) == 1, f"one result file of {folder} expected, found {results}"
        rows = result_rows(year_folder.name, labelled(year_folder, read_clip_scores(folder)))
        yield year_folder.name, results[0], rows


def recorded_rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Machine type and cells of every line that stands under a header."""
    machine_type, header = "", []
    for line in csv.reader(path.read_text().splitlines()):
        if len(line) == 1 or (line and not any(line[1:])):
            machine_type = line[0]
        elif line and line[0] in ("id", "section"):
            header = line
        elif line and header and line[0]:
            yield machine_type, dict(zip(header, line, strict=False))


def test_sections_equal_the_official_evaluators(shared: Path) -> None:
    for dataset, path, rows in evaluations(shared):
        ours = {
            (row.machine_type, row.section.rpartition("_")[2], row.domain): row.metrics
            for row in rows
        }
        recorded = 0
        for machine_type, cells in recorded_rows(path):
            section = cells.get("section", cells.get("id", ""))
            if not re.fullmatch(r"\d+", section):
                continue
            metrics = ours[machine_type, section, cells.get("domain", "")]
            for name in metrics.keys() & cells.keys():
                assert math.isclose(metrics[name], float(cells[name]), abs_tol=1e-9), (
                    f"{dataset} {machine_type} {section} {name}"
                )
            recorded += 1
        assert recorded == len(rows), path


def test_means_of_a_machine_type_equal_the_official_evaluators(shared: Path) -> None:
    for dataset, path, rows in evaluations(shared):
        year = int(dataset[-4:])
        if year >= 2022:
            continue
        for machine_type, cells in recorded_rows(path):
            label = cells.get("section", cells.get("id", ""))
            mean = mean_rows(year).get(label)
            block = [row for row in rows if row.machine_type == machine_type]
            if mean is None:
                continue
            for name in block[0].metrics:
                ours = mean([row.metrics[name] for row in block])
                assert math.isclose(ours, float(cells[name]), rel_tol=1e-9), f"{path} {label}"


def test_official_score_equals_the_official_evaluators(shared: Path) -> None:
    for dataset, path, rows in evaluations(shared):
        lines = csv.reader(path.read_text().splitlines())
        recorded = [line for line in lines if line and line[0] == "official score"]
        ours = summarise(dataset, rows).official_score
        if not recorded:
            assert ours is None, path
            continue
        value = next(float(cell) for cell in recorded[0][1:] if cell)
        assert ours == pytest.approx(value, abs=1e-9), path
