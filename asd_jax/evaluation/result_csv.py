"""`result.csv` in the layouts of the years' own tools: their baselines' and their evaluators'."""

import csv
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np

from asd_jax.evaluation.clip_scores import DOMAINS, ClipScore, dataset_year
from asd_jax.evaluation.metrics import MAX_FPR, arithmetic_mean, harmonic_mean
from asd_jax.evaluation.resampling import jackknife_half_width, leave_one_out, roc_areas
from asd_jax.evaluation.tables import (
    DECISION_METRICS,
    ResultRow,
    labels_and_scores,
    official_columns,
)

Layout = Literal["baseline", "evaluator"]
"""Whose table: the baseline's, of the development data, or the evaluator's, of the evaluation data."""

Mean = Callable[[Sequence[float]], float]
Line = list[str | float]
CI95 = "official score ci95"
OVER_ALL = " over all machine types, sections, and domains"
_MEAN_COLUMNS = ("AUC", "pAUC", *DECISION_METRICS)


def mean_rows(year: int) -> dict[str, Mean]:
    """The mean rows below a machine type's sections, by their label in the year's table."""
    if year == 2020:
        return {"Average": arithmetic_mean}
    return {"arithmetic mean": arithmetic_mean, "harmonic mean": harmonic_mean}


def column_means(rows: Sequence[ResultRow], mean: Mean) -> dict[str, float]:
    """Mean of every metric over the rows."""
    return {name: mean([row.metrics[name] for row in rows]) for name in rows[0].metrics}


def official_score(year: int, rows: Sequence[ResultRow]) -> float:
    """Harmonic mean of every AUC and pAUC that counts; NaN where one is undefined."""
    aucs, paucs = official_columns(year)
    return harmonic_mean([row.metrics[name] for row in rows for name in [*aucs, *paucs]])


def evaluator_ci95(clip_scores: Sequence[ClipScore]) -> float:
    """The evaluators' "official score ci95" (2022 on), as they compute it.

    It is the mean of the half widths of AUC and pAUC over the clips of all machine types thrown together, though their
    scores have no common scale, and the spread of the values without each clip is divided by `N (N - 1)` where a
    jackknife multiplies it by `(N - 1) / N`: too narrow by the factor `N - 1`. `asd_jax.evaluation.intervals` has
    intervals of the official score itself.
    """
    labels, scores = labels_and_scores(clip_scores)
    widths = []
    for max_fpr in (None, MAX_FPR):
        left_out = [
            roc_areas(labels, scores, weights, max_fpr) for weights in leave_one_out(len(labels))
        ]
        widths.append(jackknife_half_width(np.concatenate(left_out)) / max(len(labels) - 1, 1))
    return float(np.mean(widths))


def write_result_csv(
    path: Path,
    dataset: str,
    rows: Sequence[ResultRow],
    layout: Layout = "baseline",
    ci95: float = float("nan"),
    literal_halves: bool = False,
    remark: str = "",
) -> None:
    """Writes the table of the year's baseline or evaluator, one block a machine type.

    An undefined metric is the cell `nan`, and so is every mean over it: the layouts have no place
    for a remark that the mean is incomplete.

    Args:
        path: file to write.
        dataset: a name with the year.
        rows: see `result_rows`.
        layout: whose table; 2020 has one for both.
        ci95: of the evaluators from 2022 on, see `evaluator_ci95`.
        literal_halves: the rows "source/target harmonic mean" of a machine type as the evaluators of 2021 and 2022
            compute them: they take as many of the rows for source as half the number of machine types (2021) or of
            sections (2022).
        remark: first line, for tables that no official tool would write.

    Raises:
        ValueError: there are no rows.
    """
    if not rows:
        raise ValueError(f"{path}: no section to write; score at least one test clip")
    lines = table_lines(dataset, rows, layout, ci95, literal_halves)
    if remark:
        lines.insert(0, [remark])
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)


def table_lines(
    dataset: str,
    rows: Sequence[ResultRow],
    layout: Layout,
    ci95: float = float("nan"),
    literal_halves: bool = False,
) -> list[Line]:
    """The lines of `write_result_csv`, whose arguments these are."""
    year = dataset_year(dataset)
    if layout == "evaluator" and year > 2020:
        return _evaluator_lines(year, rows, ci95, literal_halves)
    return _baseline_lines(year, rows)


def _baseline_lines(year: int, rows: Sequence[ResultRow]) -> list[Line]:
    columns = [name for name in rows[0].metrics if name != "AUC (all)"]
    keys = {2020: ["id"], 2021: ["section", "domain"]}.get(year, ["section"])
    blank = [""] * (len(keys) - 1)
    lines: list[Line] = []
    for machine_type, block in _by_type(rows):
        lines += [[machine_type], [*keys, *columns], *_section_lines(block, columns)]
        for label, mean in mean_rows(year).items():
            means = column_means(block, mean)
            lines.append([label, *blank, *(means[name] for name in columns)])
        lines.append([])
    if year != 2020:
        lines.append(["", *blank, *columns])
        for label, mean in mean_rows(year).items():
            means = column_means(rows, mean)
            lines.append([label + OVER_ALL, *blank, *(means[name] for name in columns)])
        lines.append([])
    return lines


def _evaluator_lines(
    year: int, rows: Sequence[ResultRow], ci95: float, literal_halves: bool
) -> list[Line]:
    columns = [name for name in rows[0].metrics if not name.startswith("pAUC (")]
    keys = ["section", "domain"] if year == 2021 else ["section"]
    types = _by_type(rows)
    lines: list[Line] = []
    for machine_type, block in types:
        lines += [[machine_type], [*keys, *columns], *_section_lines(block, columns)]
        if year > 2021:
            lines.append(["", "", *_MEAN_COLUMNS])
        sections = len({row.section for row in block})
        source_rows = {2021: len(types) // 2, 2022: sections // 2}.get(year, sections)
        by_domain = _by_domain(year, block)
        halves = (by_domain[:source_rows], by_domain[source_rows:]) if literal_halves else None
        lines += [*_mean_lines(by_domain, "", halves), []]
    lines += [["", "", *_MEAN_COLUMNS], *_mean_lines(_by_domain(year, rows), OVER_ALL), []]
    lines.append(["official score", "", official_score(year, rows)])
    if year > 2021:
        lines.append([CI95, "", ci95])
    return [*lines, []]


_Numbers = dict[str, float]
_DomainRow = tuple[str, _Numbers]


def _by_domain(year: int, rows: Sequence[ResultRow]) -> list[_DomainRow]:
    """The evaluators' view: one line a section and domain, all of source first; pAUC counts in both from 2022 on."""
    if year == 2021:
        lines = [(row.domain, {name: row.metrics[name] for name in _MEAN_COLUMNS}) for row in rows]
        return sorted(lines, key=lambda line: line[0])
    return [
        (domain, {name: _of_domain(row, name, domain) for name in _MEAN_COLUMNS})
        for domain in DOMAINS
        for row in rows
    ]


def _of_domain(row: ResultRow, name: str, domain: str) -> float:
    return row.metrics["pAUC" if name == "pAUC" else f"{name} ({domain})"]


def _mean_lines(
    rows: Sequence[_DomainRow],
    ending: str,
    halves: tuple[Sequence[_DomainRow], Sequence[_DomainRow]] | None = None,
) -> list[Line]:
    source = [row for row in rows if row[0] == "source"]
    target = [row for row in rows if row[0] == "target"]
    if halves:
        source, target = ([*half] for half in halves)
    wanted: list[tuple[str, Mean, Sequence[_DomainRow]]] = [
        ("arithmetic mean", arithmetic_mean, rows),
        ("harmonic mean", harmonic_mean, rows),
        ("source harmonic mean", harmonic_mean, source),
        ("target harmonic mean", harmonic_mean, target),
    ]
    return [
        [label + ending, "", *(mean([cells[name] for _, cells in part]) for name in _MEAN_COLUMNS)]
        for label, mean, part in wanted
    ]


def _section_lines(rows: Sequence[ResultRow], columns: Sequence[str]) -> list[Line]:
    return [
        [
            row.section.rpartition("_")[2],
            *([row.domain] if row.domain else []),
            *(row.metrics[name] for name in columns),
        ]
        for row in rows
    ]


def _by_type(rows: Sequence[ResultRow]) -> list[tuple[str, list[ResultRow]]]:
    return [(name, [*block]) for name, block in groupby(rows, key=lambda row: row.machine_type)]
