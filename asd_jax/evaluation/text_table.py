"""A result table as text for a terminal."""

import math
from collections.abc import Iterable, Sequence
from itertools import groupby

from asd_jax.evaluation.clip_scores import dataset_year
from asd_jax.evaluation.result_csv import Mean, column_means, mean_rows
from asd_jax.evaluation.summary import Summary
from asd_jax.evaluation.tables import ResultRow

# These columns would make the table wider than a terminal, and no year ranks by them.
_CSV_ONLY = ("precision", "recall", "F1 score (", "pAUC (")
_NUMBERS = {
    "mean_auc": "mean AUC",
    "mean_pauc": "mean pAUC",
    "minimum_auc": "minimum AUC",
    "source_auc": "source AUC",
    "target_auc": "target AUC",
    "official_score": "official score",
}


def format_table(dataset: str, rows: Sequence[ResultRow], summary: Summary, title: str = "") -> str:
    """The result table in percent, aligned, with its means and what they leave out.

    A `*` marks a mean that leaves out an undefined metric (shown as `nan`).

    Args:
        dataset: a name with the year.
        rows: of the table.
        summary: of the same rows; its intervals are shown where it has them.
        title: stands behind the data set's name.
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
    text = "\n".join(aligned(lines, keys)).rstrip()
    head = f"{dataset}, in percent" + (f"; {title}" if title else "")
    return f"{head}\n\n{text}\n\n" + "\n".join(_notes(rows, summary))


def _notes(rows: Sequence[ResultRow], summary: Summary) -> list[str]:
    numbers = {title: getattr(summary, name) for name, title in _NUMBERS.items()}
    lines = [
        f"{title} {_percent(value)}{_interval(summary, name)}"
        for (name, title), value in zip(_NUMBERS.items(), numbers.values(), strict=True)
        if value is not None
    ]
    lines += [f"mean {name} {_percent(value)}" for name, value in summary.extra_means.items()]
    notes = [", ".join(lines[:2]), ", ".join(lines[2:])]
    if summary.intervals:
        notes.append("[]: 95 % bootstrap interval over the test clips")
    if summary.missing:
        notes.append(
            f"* {len(summary.missing)} of {len(rows)} rows lack labelled normal or anomalous "
            f"clips; the means leave their undefined metrics out: {', '.join(summary.missing)}"
        )
    return notes


def _interval(summary: Summary, name: str) -> str:
    if name not in summary.intervals:
        return ""
    low, high = summary.intervals[name]
    return f" [{_percent(low)}, {_percent(high)}]"


def _mean_cells(rows: Sequence[ResultRow], shown: Sequence[str], mean: Mean) -> list[str]:
    cells = []
    complete = column_means(rows, mean)
    for name in shown:
        defined = _percent(mean(_defined(row.metrics[name] for row in rows)))
        cells.append(defined + ("*" if math.isnan(complete[name]) else ""))
    for name in rows[0].extra:
        cells.append(_percent(mean(_defined(row.extra[name] for row in rows))))
    return cells


def aligned(lines: Sequence[Sequence[str]], keys: int) -> list[str]:
    """Lines of cells as text; the first `keys` columns start, the others end below each other."""
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


def _defined(values: Iterable[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]
