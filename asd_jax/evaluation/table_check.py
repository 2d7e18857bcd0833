"""Published result tables against metrics that are computed anew from the scores beside them."""

import functools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from asd_jax.evaluation.clip_scores import DOMAINS, ClipScore, dataset_year
from asd_jax.evaluation.metrics import MAX_FPR, auc, harmonic_mean, precision_recall_f1
from asd_jax.evaluation.published_tables import (
    OFFICIAL_SCORE,
    Cell,
    PublishedNumber,
    block_cells,
)
from asd_jax.evaluation.result_csv import CI95, evaluator_ci95, table_lines
from asd_jax.evaluation.score_files import ScoreSet
from asd_jax.evaluation.tables import (
    DECISION_METRICS,
    ResultRow,
    labels_and_scores,
    official_columns,
    result_rows,
)

TOLERANCE = 1e-9

Verdict = Literal["equal", "rounded", "literal", "mismatch", "unchecked"]
"""Equal to `TOLERANCE`; equal to the digits printed; a known slip of the tool that wrote it; none of these; no score
file to compare with."""

Cells = dict[Cell, float]


@dataclass(frozen=True)
class Checked:
    """A published number and what the scores give.

    Attributes:
        published: the number.
        ours: by the year's definition; NaN where there are no scores.
        verdict: how they compare.
        explanation: what the published number is instead, where that is known.
    """

    published: PublishedNumber
    ours: float
    verdict: Verdict
    explanation: str = ""


def numbers_of(
    score_set: ScoreSet, sets: Sequence[ScoreSet], numbers: Sequence[PublishedNumber]
) -> list[PublishedNumber]:
    """The published numbers that are a set's among several sets.

    A number is of the scores in the table's folder (of several ways of naming, the one whose tag the table carries),
    or of the nearest folder that has the name of the system, of the table's folder, or of a part of the table's name.

    Args:
        score_set: one of the sets.
        sets: all sets that were found with the tables.
        numbers: of all tables.
    """
    owners: dict[tuple[Path, str], ScoreSet | None] = {}
    for number in numbers:
        key = (number.path, number.system)
        if key not in owners:
            owners[key] = _owner(number, sets)
    return [number for number in numbers if owners[number.path, number.system] == score_set]


def check_numbers(
    numbers: Sequence[PublishedNumber], dataset: str, clips: Sequence[ClipScore]
) -> list[Checked]:
    """Compares a system's published numbers with the metrics of its clips.

    Args:
        numbers: of the system alone.
        dataset: a name with the year.
        clips: with labels and domains.
    """
    computed = _Computed(dataset, clips)
    return [_check(number, computed) for number in numbers]


class _Computed:
    """What a published number can be: right, a tool's slip, or a misreading of the definition."""

    def __init__(self, dataset: str, clips: Sequence[ClipScore]):
        self._dataset, self._clips = dataset, clips
        self._rows = result_rows(dataset, clips)

    @functools.cached_property
    def right(self) -> Cells:
        return _cells(self._dataset, self._rows)

    @functools.cached_property
    def ci95(self) -> float:
        return evaluator_ci95(self._clips)

    @functools.cached_property
    def slips(self) -> dict[str, Cells]:
        variants = {}
        if dataset_year(self._dataset) >= FIRST_MIXED_YEAR:
            variants[_DECISIONS_VARIANT] = _cells(
                self._dataset, _decisions_against_all(self._rows, self._clips)
            )
        return variants | {
            _SUMMARY_SLIP: _summary_slip(self.right),
            _HALVES_SLIP: _cells(self._dataset, self._rows, literal_halves=True),
        }

    @functools.cached_property
    def misreadings(self) -> dict[str, Cells]:
        return {
            text: _cells(self._dataset, change(self._rows, self._clips))
            for text, change in _MISREADINGS.items()
        }


def _check(number: PublishedNumber, computed: _Computed) -> Checked:
    is_interval = number.cell.row == CI95
    ours = computed.ci95 if is_interval else computed.right.get(number.cell, math.nan)
    if math.isnan(ours):
        return Checked(number, ours, "unchecked")
    if abs(number.value - ours) <= TOLERANCE:
        return Checked(number, ours, "equal")
    for explanation, cells in computed.slips.items():
        if abs(number.value - cells.get(number.cell, math.nan)) <= TOLERANCE:
            return Checked(number, ours, "literal", explanation)
    for explanation, cells in computed.misreadings.items():
        if abs(number.value - cells.get(number.cell, math.nan)) <= TOLERANCE:
            return Checked(number, ours, "mismatch", explanation)
    if _agrees_as_printed(number.text, ours):
        return Checked(number, ours, "rounded")
    return Checked(number, ours, "mismatch")


def _agrees_as_printed(text: str, value: float) -> bool:
    """Whether a number of a few digits, maybe in percent, is the rounded value."""
    decimals = len(text.partition(".")[2])
    scale = 100.0 if float(text) > 1.0 else 1.0
    return decimals <= 6 and abs(float(text) - scale * value) <= 0.5001 * 10.0**-decimals


def _owner(number: PublishedNumber, sets: Sequence[ScoreSet]) -> ScoreSet | None:
    path = number.path
    beside = [found for found in sets if found.folder == path.parent]
    if beside and not number.system:
        # Among several ways of naming, the one whose tag the table carries, and else the plain one.
        return max(beside, key=lambda found: _shared_tag(found, path.name))
    name = number.system or path.parent.name
    named = [found for found in sets if found.folder.name == name]
    named = named or [found for found in sets if found.folder.name in path.stem.split("_")]
    return max(named, key=lambda found: _nearness(found.folder, path), default=None)


def _shared_tag(score_set: ScoreSet, table: str) -> tuple[bool, int]:
    before, behind = score_set.files[0].variant
    fits = table.startswith(before) and behind in table
    return fits, len(before + behind) if fits else -len(before + behind)


def _nearness(folder: Path, path: Path) -> int:
    return len(Path(os.path.commonpath([folder.resolve(), path.resolve()])).parts)


def _cells(dataset: str, rows: Sequence[ResultRow], literal_halves: bool = False) -> Cells:
    """Every number that any layout has of these rows."""
    cells: Cells = {}
    for layout in ("baseline", "evaluator"):
        lines = table_lines(dataset, rows, layout, literal_halves=literal_halves)
        text = [
            [value if isinstance(value, str) else repr(value) for value in line] for line in lines
        ]
        cells |= {cell: float(value) for cell, value in block_cells(text) if value}
    return cells | _spreads(dataset, rows)


def _spreads(dataset: str, rows: Sequence[ResultRow]) -> Cells:
    """What only the summaries over machine types list: standard deviations, and both means of the official terms."""
    aucs, paucs = official_columns(dataset_year(dataset))
    columns = {name: [row.metrics[name] for row in rows] for name in rows[0].metrics}
    pooled = {
        "AUC": [value for name in aucs for value in columns[name]],
        OFFICIAL_SCORE: [value for name in [*aucs, *paucs] for value in columns[name]],
    }
    spreads = {name: np.std(values, ddof=1) for name, values in columns.items() if len(values) > 1}
    # Of numbers that are pooled over columns, the summaries give the deviation of a whole population.
    spreads |= {name: np.std(values) for name, values in pooled.items()}
    score = pooled[OFFICIAL_SCORE]
    return {
        Cell("", "standard deviation", "", name): float(value) for name, value in spreads.items()
    } | {
        Cell("", "arithmetic mean", "", OFFICIAL_SCORE): float(np.mean(score)),
        Cell("", "harmonic mean", "", OFFICIAL_SCORE): harmonic_mean(score),
    }


_HALVES_SLIP = (
    "as the evaluators of 2021 and 2022 halve the rows of a machine type between source and target"
)
_SUMMARY_SLIP = "as the baseline's summary gives means of pAUC for those of its domains"


FIRST_MIXED_YEAR = 2022
_DECISIONS_VARIANT = (
    "a variant published in 2022: precision, recall and F1 of a domain's normal clips against the anomalies of both "
    "domains"
)


def _decisions_against_all(
    rows: Sequence[ResultRow], clips: Sequence[ClipScore]
) -> list[ResultRow]:
    """Precision, recall and F1 of a domain as its AUC is defined since 2022: against all anomalies."""
    changed = []
    for row in rows:
        known: list[tuple[str, float]] = []
        for domain in DOMAINS:
            compared = [
                clip
                for clip in _clips_of(row, clips)
                if clip.domain == domain or clip.label == "anomaly"
            ]
            decided = [
                (clip.label == "anomaly", clip.decision)
                for clip in compared
                if clip.decision is not None
            ]
            if not decided or len(decided) < len(compared):
                continue
            labels, decisions = zip(*decided, strict=True)
            figures = precision_recall_f1(labels, decisions)
            known += [
                (f"{name} ({domain})", figure)
                for name, figure in zip(DECISION_METRICS, figures, strict=True)
            ]
        changed.append(_with_areas(row, known))
    return changed


def _summary_slip(right: Cells) -> Cells:
    slipped = {}
    for cell in right:
        if cell.column == "pAUC":
            for domain in DOMAINS:
                slipped[cell._replace(column=f"pAUC ({domain})")] = right[cell]
    return {cell: value for cell, value in slipped.items() if not cell.row.isdigit()}


def _own_domain(rows: Sequence[ResultRow], clips: Sequence[ClipScore]) -> list[ResultRow]:
    """AUC of a domain's own normals and anomalies in place of the definition since 2022."""
    return [_with_areas(row, _own_areas(row, clips)) for row in rows]


def _own_areas(row: ResultRow, clips: Sequence[ClipScore]) -> Iterator[tuple[str, float]]:
    for domain in DOMAINS:
        own = [clip for clip in _clips_of(row, clips) if clip.domain == domain]
        yield f"AUC ({domain})", auc(*labels_and_scores(own))


def _all_anomalies(rows: Sequence[ResultRow], clips: Sequence[ClipScore]) -> list[ResultRow]:
    """The definition since 2022 in place of 2021's."""
    changed = []
    for row in rows:
        of_section = _clips_of(replace(row, domain=""), clips)
        compared = [c for c in of_section if c.domain == row.domain or c.label == "anomaly"]
        changed.append(_with_areas(row, [("AUC", auc(*labels_and_scores(compared)))]))
    return changed


def _raw_partial_area(rows: Sequence[ResultRow], clips: Sequence[ClipScore]) -> list[ResultRow]:
    """The partial area itself, divided by its largest value, without McClish's standardisation."""
    chance = MAX_FPR / 2
    return [
        _with_areas(
            row,
            [
                (name, (2 * value - 1) * (1 - chance) + chance)
                for name, value in row.metrics.items()
                if name.startswith("pAUC")
            ],
        )
        for row in rows
    ]


_MISREADINGS: dict[str, Callable[[Sequence[ResultRow], Sequence[ClipScore]], list[ResultRow]]] = {
    "it is computed from the domain's own anomalies; since 2022 a domain's normal clips stand against the anomalies of "
    "both domains": _own_domain,
    "it is computed from the anomalies of both domains; in 2021 each domain stands alone": _all_anomalies,
    "it is the plain partial area over its width; pAUC is standardised (McClish)": _raw_partial_area,
}


def _clips_of(row: ResultRow, clips: Sequence[ClipScore]) -> list[ClipScore]:
    return [
        clip
        for clip in clips
        if (clip.machine_type, clip.section) == (row.machine_type, row.section)
        and row.domain in ("", clip.domain)
    ]


def _with_areas(
    row: ResultRow, areas: Iterator[tuple[str, float]] | Sequence[tuple[str, float]]
) -> ResultRow:
    known = {name: value for name, value in areas if name in row.metrics}
    return replace(row, metrics=row.metrics | known)
