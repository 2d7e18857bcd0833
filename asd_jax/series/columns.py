"""Which columns of a table are names, times and channels: what is told by names or numbers beyond doubt, else asked."""

import dataclasses
import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
from tfds_dcase.text_tables import TextTable, number

Header = Literal["auto", "yes", "no"]

_TIME_NAMES = {
    "time", "times", "timestamp", "timestamps", "time_stamp", "date", "datetime", "date_time", "t", "ts", "index",
    "idx", "step", "time_step", "timestep", "seconds", "sec", "ms", "unnamed: 0", "zeit", "datum", "epoch_time",
    "elapsed", "elapsed_time", "uptime",
}  # fmt: skip
# Names of columns that number the rows, where they do.
_ROW_NAMES = {
    "sample", "samples", "sample_no", "sample_id", "sampleno", "no", "no.", "nr", "nr.", "#", "row", "row_id",
    "row_no", "rownum", "row_number", "id", "number", "num", "record", "record_id", "frame", "obs", "observation",
    "n", "i", "k", "tick", "counter", "count", "seq", "sequence",
}  # fmt: skip
# Behind the channels only names that are nothing else: `t` and `step` may be channels there.
_SURE_TIME_NAMES = {
    "time", "times", "timestamp", "timestamps", "time_stamp", "date", "datetime", "date_time", "index", "zeit",
    "datum", "epoch_time",
}  # fmt: skip
# What stands behind a name's quantity: `Time (s)`, `time [ms]`, `elapsed_ms`.
_UNIT = re.compile(r"\s*[(\[].*[)\]]|[ _](s|sec|secs|seconds|ms|us|ns|min|minutes|h|hours)")
_LABEL_NAMES = {
    "label", "labels", "anomaly", "is_anomaly", "attack", "outlier", "is_outlier", "y", "target", "ground_truth",
    "truth", "normal/attack", "anomalies",
}  # fmt: skip
# In a series: an axis may be called y, a set point target.
_SURE_LABEL_NAMES = _LABEL_NAMES - {"y", "target", "truth"}
_STAMP = re.compile(
    r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ]\d{1,2}:\d{2}.*)?|\d{1,3}:\d{2}(:\d{2}.*)?"
)
_UNIX_SECONDS = 1e8
_FEWEST_STEPS = 3


@dataclasses.dataclass(frozen=True)
class Columns:
    """What the columns of a table are.

    Attributes:
        header: whether the first row holds names.
        names: of all columns; empty without a header.
        times: how many columns at the front are times or numbers of rows.
        width: how many columns there are.
    """

    header: bool
    names: tuple[str, ...]
    times: int
    width: int

    def told(self, what: str = "channels") -> str:
        """For people: `header, 1 time column, 2 channels`."""
        count = self.width - self.times
        times = f"{self.times} time column{'s' if self.times > 1 else ''}, " if self.times else ""
        what = what.removesuffix("s") if count == 1 else what
        return f"{'header' if self.header else 'no header'}, {times}{count} {what}"


def columns_of(table: TextTable, header: Header = "auto", skip: int = 0) -> Columns:
    """Finds out what the columns are.

    Args:
        table: at least one row.
        header: whether the first row holds names, where the user tells it.
        skip: columns at the front that are no channels, where the user tells it; 0 finds them.

    Raises:
        ValueError: the first row may be names or numbers, or rows differ in length.
    """
    width = len(table.rows[0])
    for row, line in zip(table.rows, table.lines, strict=True):
        if len(row) != width:
            raise ValueError(
                f"{table.path}, line {line}: {len(row)} cells, the first line has {width} (read as: {table.dialect()})"
            )
    has_header = _has_header(table) if header == "auto" else header == "yes"
    names = tuple(table.rows[0]) if has_header else ()
    body = table.rows[1:] if has_header else table.rows
    times = skip or _times(names, body[:1000], table.decimal)
    return Columns(has_header, names, min(times, width), width)


def require_channels(table: TextTable, columns: Columns) -> None:
    """Refuses a series whose columns behind the times hold labels or times by their names.

    Raises:
        ValueError: names the column and what to do.
    """
    body = table.rows[1:1001]
    for i in range(columns.times, columns.width if columns.header else 0):
        name = columns.names[i]
        cells = [row[i] for row in body]
        if name.strip().lower() in _SURE_LABEL_NAMES:
            raise ValueError(
                f"{table.path}: column {i + 1}, {name!r}, holds labels by its name and would be learnt as a channel. "
                "Take it out (labels belong in a file of their own), or give it another name if it is a channel"
            )
        if cells and (
            all(_STAMP.fullmatch(cell) for cell in cells)
            or (_quantity(name) in _SURE_TIME_NAMES and _rises(cells, table.decimal))
        ):
            raise ValueError(
                f"{table.path}: column {i + 1}, {name!r}, holds times and stands behind a channel. Move it to the "
                "front, take it out, or give it another name if it is a channel"
            )


def is_stamp(cell: str) -> bool:
    """Whether a cell is a date or a time of day."""
    return _STAMP.fullmatch(cell) is not None


def label_column(table: TextTable, columns: Columns) -> int:
    """Which column holds the labels.

    Raises:
        ValueError: several may.
    """
    rest = range(columns.times, columns.width)
    named = [i for i in rest if columns.names and columns.names[i].lower() in _LABEL_NAMES]
    found = named or list(rest)
    if len(found) != 1:
        shown = ", ".join(columns.names[i] for i in found) if columns.names else f"{len(found)}"
        raise ValueError(
            f"{table.path} has {len(found)} columns that may be the labels ({shown}): keep one, or name one 'label'"
        )
    return found[0]


def _has_header(table: TextTable) -> bool:
    first, others = table.rows[0], table.rows[1:]
    if any(_is_text(cell, table.decimal) for cell in first):
        _require_names(table)
        return True
    if not others:
        return False
    numbers = [number(cell, table.decimal) for cell in first]
    from_one = len(first) > 1 and numbers == [float(i + 1) for i in range(len(first))]
    if (from_one or first == ["0"]) and _has_fractions(others, table.decimal):
        raise _unclear(table)
    named = numbers[1:] if first[0] == "" else numbers
    counted = len(named) > 1 and named == [float(i) for i in range(len(named))]
    if not counted:
        return False
    if first[0] == "":
        return True
    if _all_whole(others, table.decimal):
        raise _unclear(table)
    return True


def _all_whole(rows: Sequence[Sequence[str]], decimal: str) -> bool:
    return all(
        value is not None and (value != value or value in (np.inf, -np.inf) or value == int(value))
        for row in rows[:1000]
        for value in (number(cell, decimal) for cell in row)
    )


def _has_fractions(rows: Sequence[Sequence[str]], decimal: str) -> bool:
    numbers = (number(cell, decimal) for row in rows[:1000] for cell in row)
    return any(
        value is not None and np.isfinite(value) and value != int(value) for value in numbers
    )


def _unclear(table: TextTable) -> ValueError:
    return ValueError(
        f"{table.path}, line {table.lines[0]}: {', '.join(table.rows[0][:6])} may be the names of the columns (as "
        "pandas writes them) or the first time step: give --set data.header=yes or --set data.header=no"
    )


def _require_names(table: TextTable) -> None:
    """Refuses a first row of text and numbers whose numbers do not count columns: it may be a broken time step."""
    values = [(cell, number(cell, table.decimal)) for cell in table.rows[0] if cell]
    told = [(cell, value) for cell, value in values if value is not None and value == value]
    counted = [value for _, value in told]
    if counted and counted not in (
        [float(i) for i in range(start, start + len(counted))] for start in (0, 1)
    ):
        text = next(cell for cell, value in values if value is None)
        raise ValueError(
            f"{table.path}, line {table.lines[0]}: {text[:40]!r} is text and {told[0][0]!r} a number, so this may be "
            "the names of the columns or a broken time step: correct the cell, or give --set data.header=yes"
        )


def _is_text(cell: str, decimal: str) -> bool:
    return number(cell, decimal) is None and not _STAMP.fullmatch(cell)


def _times(names: Sequence[str], body: Sequence[Sequence[str]], decimal: str) -> int:
    """Columns at the front that hold times or count the rows; one column at least stays."""
    if not body:
        return 0
    found = 0
    while found < len(body[0]) - 1:
        cells = [row[found] for row in body]
        name = _quantity(names[found]) if names else None
        if not (
            all(_STAMP.fullmatch(cell) for cell in cells)
            or (name is not None and (name in _TIME_NAMES or name == "") and _rises(cells, decimal))
            or (name in _ROW_NAMES and _counts(cells, decimal))
            or (found == 0 and name is None and _counts(cells, decimal))
        ):
            break
        found += 1
    return found


def _quantity(name: str) -> str:
    lowered = name.strip().lower()
    unit = _UNIT.search(lowered)
    return lowered[: unit.start()] if unit and unit.end() == len(lowered) else lowered


def _values(cells: Sequence[str], decimal: str) -> np.ndarray:
    found = [number(cell, decimal) for cell in cells]
    return np.array([np.nan if value is None else value for value in found])


def _rises(cells: Sequence[str], decimal: str) -> bool:
    return bool(np.all(np.diff(_values(cells, decimal)) >= 0))


def _counts(cells: Sequence[str], decimal: str) -> bool:
    """Whether they rise in equal steps, as numbers of rows and times do, or are seconds of a clock."""
    values = _values(cells, decimal)
    if len(values) < _FEWEST_STEPS:
        return False
    steps = np.diff(values)
    # As exactly as a decimal number of few digits is written.
    numbered = steps[0] > 0 and bool(np.all(np.abs(steps - steps[0]) <= 1e-6 * np.abs(values[1:])))
    return numbered or (values[0] > _UNIX_SECONDS and bool(np.all(steps > 0)))
