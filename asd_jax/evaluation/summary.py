"""The few numbers that a result table comes down to."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from asd_jax.evaluation.clip_scores import DOMAINS, dataset_year
from asd_jax.evaluation.metrics import EPSILON, arithmetic_mean
from asd_jax.evaluation.tables import ResultRow, official_columns

Interval = tuple[float, float]
"""Lower and upper bound of a 95 % interval."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """Summary of a result table, as shares of 1.

    Attributes:
        mean_auc: arithmetic mean of every AUC (2020: over IDs, then over machine types).
        mean_pauc: the same of every pAUC that counts officially.
        minimum_auc: of each machine type the smallest AUC that counts, averaged over the types.
        harmonic_auc: harmonic mean of every AUC that counts; None in 2020.
        harmonic_pauc: the same of every pAUC.
        source_auc: harmonic mean of the source domain's AUCs; None in 2020.
        target_auc: the same of the target domain.
        official_score: harmonic mean of every AUC and pAUC that counts; None in 2020, which
            ranked systems by their places and had no such number.
        extra_means: arithmetic mean of each extra column, over IDs and then machine types.
        missing: the rows left out of a mean because a metric in them is undefined.
        intervals: 95 % bootstrap intervals over the clips, by the names above.
        jackknife: half widths of 95 % jackknife intervals, by the names above.
    """

    mean_auc: float
    mean_pauc: float
    minimum_auc: float
    harmonic_auc: float | None
    harmonic_pauc: float | None
    source_auc: float | None
    target_auc: float | None
    official_score: float | None
    extra_means: dict[str, float]
    missing: tuple[str, ...]
    intervals: dict[str, Interval] = field(default_factory=dict)
    jackknife: dict[str, float] = field(default_factory=dict)


def summarise(dataset: str, rows: Sequence[ResultRow]) -> Summary:
    """Summary by the definition of the data set's year; undefined metrics are left out."""
    aucs, paucs = official_columns(dataset_year(dataset))
    arrays = [
        (row.machine_type, {name: np.array([row.metrics[name]]) for name in [*aucs, *paucs]})
        for row in rows
    ]
    numbers = {name: float(value[0]) for name, value in summary_numbers(dataset, arrays).items()}
    extra_names = rows[0].extra if rows else {}
    types = _by_type([(row.machine_type, row.extra) for row in rows])
    return Summary(
        mean_auc=numbers["mean_auc"],
        mean_pauc=numbers["mean_pauc"],
        minimum_auc=numbers["minimum_auc"],
        harmonic_auc=numbers.get("harmonic_auc"),
        harmonic_pauc=numbers.get("harmonic_pauc"),
        source_auc=numbers.get("source_auc"),
        target_auc=numbers.get("target_auc"),
        official_score=numbers.get("official_score"),
        extra_means={
            name: arithmetic_mean(
                _defined(
                    arithmetic_mean(_defined(extra[name] for extra in extras)) for extras in types
                )
            )
            for name in extra_names
        },
        missing=tuple(
            _row_name(row)
            for row in rows
            if any(math.isnan(row.metrics[name]) for name in [*aucs, *paucs])
        ),
    )


def summary_numbers(
    dataset: str, rows: Sequence[tuple[str, Mapping[str, Floats]]]
) -> dict[str, Floats]:
    """The numbers of a `Summary` for many tables of the same rows at once, without undefined metrics.

    Args:
        dataset: a name with the year.
        rows: machine type and metrics `[tables]` of every row, from `resampled_rows`.

    Returns:
        `[tables]` each by name; NaN where nothing is defined.
    """
    year = dataset_year(dataset)
    aucs, paucs = official_columns(year)
    types = _by_type(rows)
    mean = _mean_over_types if year == 2020 else _mean_over_rows
    numbers = {
        "mean_auc": mean(types, aucs),
        "mean_pauc": mean(types, paucs),
        "minimum_auc": _mean([_smallest(_terms(block, aucs)) for block in types]),
    }
    if year == 2020:
        return numbers
    metrics = [row for block in types for row in block]
    if year == 2021:
        # Its table lists the source rows of a machine type first, as many as there are of the target.
        halves = {
            "source_auc": [row for block in types for row in block[: len(block) // 2]],
            "target_auc": [row for block in types for row in block[len(block) // 2 :]],
        }
        numbers |= {name: _harmonic(_terms(part, aucs)) for name, part in halves.items()}
    else:
        numbers |= {
            f"{name}_auc": _harmonic(_terms(metrics, [f"AUC ({name})"])) for name in DOMAINS
        }
    return numbers | {
        "harmonic_auc": _harmonic(_terms(metrics, aucs)),
        "harmonic_pauc": _harmonic(_terms(metrics, paucs)),
        "official_score": _harmonic(_terms(metrics, [*aucs, *paucs])),
    }


def _row_name(row: ResultRow) -> str:
    return " ".join(filter(None, (row.machine_type, row.section, row.domain)))


def _defined(values: Iterable[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


_Cells = TypeVar("_Cells")


def _by_type(rows: Sequence[tuple[str, _Cells]]) -> list[list[_Cells]]:
    return [[cells for _, cells in block] for _, block in groupby(rows, key=lambda row: row[0])]


def _terms(rows: Sequence[Mapping[str, Floats]], columns: Sequence[str]) -> list[Floats]:
    """The defined metrics, `[tables]` each."""
    values = [row[name] for row in rows for name in columns]
    return [value for value in values if not np.isnan(value).all()]


def _mean(terms: Sequence[Floats]) -> Floats:
    known = [term for term in terms if not np.isnan(term).all()]
    return np.mean(known, axis=0) if known else np.array([np.nan])


def _smallest(terms: Sequence[Floats]) -> Floats:
    return np.min(terms, axis=0) if terms else np.array([np.nan])


def _harmonic(terms: Sequence[Floats]) -> Floats:
    if not terms:
        return np.array([np.nan])
    return len(terms) / np.sum(1.0 / np.maximum(terms, EPSILON), axis=0)


def _mean_over_rows(
    types: Sequence[Sequence[Mapping[str, Floats]]], columns: Sequence[str]
) -> Floats:
    return _mean([term for rows in types for term in _terms(rows, columns)])


def _mean_over_types(
    types: Sequence[Sequence[Mapping[str, Floats]]], columns: Sequence[str]
) -> Floats:
    return _mean([_mean(_terms(rows, columns)) for rows in types])
