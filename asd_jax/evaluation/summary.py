"""The few numbers that a result table comes down to, and the table as text for a terminal."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from asd_jax.evaluation.clip_scores import dataset_year
from asd_jax.evaluation.metrics import arithmetic_mean, harmonic_mean
from asd_jax.evaluation.tables import ResultRow, column_means, mean_rows

# These columns would make the table wider than a terminal, and no year ranks by them.
_CSV_ONLY = ("precision", "recall", "pAUC (")


@dataclass(frozen=True)
class Summary:
    """Summary of a result table, as shares of 1.

    Attributes:
        mean_auc: arithmetic mean of every AUC (2020: over IDs, then over machine types).
        mean_pauc: the same of every pAUC that counts officially.
        official_score: harmonic mean of every AUC and pAUC that counts; None in 2020, which
            ranked systems by their places and had no such number.
        extra_means: arithmetic mean of each extra column, over IDs and then machine types.
        missing: the rows left out of a mean because a metric in them is undefined.
    """

    mean_auc: float
    mean_pauc: float
    official_score: float | None
    extra_means: dict[str, float]
    missing: tuple[str, ...]


def summarise(dataset: str, rows: Sequence[ResultRow]) -> Summary:
    """Summary by the definition of the data set's year; undefined metrics are left out."""
    year = dataset_year(dataset)
    aucs = [_columns(row, "AUC") for row in rows]
    paucs = [_columns(row, "pAUC") for row in rows]
    terms = [value for values in (*aucs, *paucs) for value in values]
    by_type = [[*block] for _, block in groupby(rows, key=lambda row: row.machine_type)]
    if year == 2020:
        mean_auc, mean_pauc = (_mean_over_types(by_type, name) for name in ("AUC", "pAUC"))
    else:
        mean_auc = _mean_of_defined(value for values in aucs for value in values)
        mean_pauc = _mean_of_defined(value for values in paucs for value in values)
    extra_names = rows[0].extra if rows else {}
    return Summary(
        mean_auc=mean_auc,
        mean_pauc=mean_pauc,
        official_score=None if year == 2020 else harmonic_mean(_defined(terms)),
        extra_means={name: _mean_over_types(by_type, name) for name in extra_names},
        missing=tuple(_row_name(row) for row in rows if any(map(math.isnan, _official(row)))),
    )


def format_table(dataset: str, rows: Sequence[ResultRow]) -> str:
    """The result table in percent, aligned, with its means and what they leave out.

    A `*` marks a mean that leaves out an undefined metric (shown as `nan`).
    """
    year = dataset_year(dataset)
    if not rows:
        return f"{dataset}: no labelled test clip, so no metrics"
    shown = [name for name in rows[0].metrics if not name.startswith(_CSV_ONLY)]
    header = ["machine type", "section", *(["domain"] if rows[0].domain else [])]
    keys = len(header)
    blank = [""] * (keys - 2)
    means = mean_rows(year)
    lines = [[*header, *shown, *rows[0].extra]]
    for machine_type, block in groupby(rows, key=lambda row: row.machine_type):
        block_rows = list(block)
        for row in block_rows:
            cells = [row.machine_type, row.section, *([row.domain] if row.domain else [])]
            values = [*(row.metrics[name] for name in shown), *row.extra.values()]
            lines.append(cells + [_percent(value) for value in values])
        for label, mean in means.items() if len(block_rows) > 1 else ():
            lines.append([machine_type, label, *blank, *_mean_cells(block_rows, shown, mean)])
        if len(block_rows) > 1:
            lines.append([])
    if year != 2020 and lines[-1]:
        lines.append([])
    for label, mean in means.items() if year != 2020 else ():
        lines.append(["all", label, *blank, *_mean_cells(rows, shown, mean)])
    text = "\n".join(_aligned(lines, keys)).rstrip()
    return f"{dataset}, in percent\n\n{text}\n\n" + "\n".join(_notes(dataset, rows))


def _notes(dataset: str, rows: Sequence[ResultRow]) -> list[str]:
    summary = summarise(dataset, rows)
    extra = [f"mean {name} {_percent(value)}" for name, value in summary.extra_means.items()]
    score = [] if summary.official_score is None else [summary.official_score]
    official = [f"official score {_percent(value)}" for value in score]
    means = [f"mean AUC {_percent(summary.mean_auc)}", f"mean pAUC {_percent(summary.mean_pauc)}"]
    notes = [", ".join([*means, *official, *extra])]
    if summary.missing:
        notes.append(
            f"* {len(summary.missing)} of {len(rows)} rows lack labelled normal or anomalous "
            f"clips; the means leave their undefined metrics out: {', '.join(summary.missing)}"
        )
    return notes


def _mean_cells(
    rows: Sequence[ResultRow], shown: Sequence[str], mean: Callable[[Sequence[float]], float]
) -> list[str]:
    cells = []
    complete = column_means(rows, mean)
    for name in shown:
        defined = _percent(mean(_defined(row.metrics[name] for row in rows)))
        cells.append(defined + ("*" if math.isnan(complete[name]) else ""))
    for name in rows[0].extra:
        cells.append(_percent(mean(_defined(row.extra[name] for row in rows))))
    return cells


def _aligned(lines: Sequence[Sequence[str]], keys: int) -> list[str]:
    columns = range(len(lines[0]))
    widths = [max(len(line[index]) for line in lines if line) for index in columns]
    text = []
    for line in lines:
        cells = [
            cell.ljust(width) if index < keys else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=False))
        ]
        text.append("  ".join(cells).rstrip())
    return text


def _percent(value: float) -> str:
    return "nan" if math.isnan(value) else f"{100.0 * value:.2f}"


def _columns(row: ResultRow, kind: str) -> list[float]:
    # pAUC (source) and pAUC (target) are listed from 2023 on, but never count.
    return [
        value
        for name, value in row.metrics.items()
        if name == kind or (kind == "AUC" and name.startswith("AUC ("))
    ]


def _official(row: ResultRow) -> list[float]:
    return _columns(row, "AUC") + _columns(row, "pAUC")


def _row_name(row: ResultRow) -> str:
    return " ".join(filter(None, (row.machine_type, row.section, row.domain)))


def _defined(values: Iterable[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]


def _mean_of_defined(values: Iterable[float]) -> float:
    return arithmetic_mean(_defined(values))


def _mean_over_types(by_type: Sequence[Sequence[ResultRow]], column: str) -> float:
    return _mean_of_defined(
        _mean_of_defined((row.metrics | row.extra)[column] for row in rows) for rows in by_type
    )
