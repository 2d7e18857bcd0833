"""Numbers of published result tables, in the layouts of the baselines, the evaluators and their summaries."""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from asd_jax.evaluation.result_csv import OVER_ALL

_SECTION_HEADERS = ("id", "section")
_TYPE_IN_NAME = re.compile(r"result_(?:DCASE\d{4}T2)?(?P<machine_type>[A-Za-z0-9]+)_test.*\.csv")
_METRICS = r"AUC|pAUC|AUC \(\w+\)|pAUC \(\w+\)"
_WIDE_OF_TYPE = re.compile(
    rf"(?P<machine_type>\w+?)_(?:dev|eval)_(?P<row>\d+|arithmetic mean|harmonic mean)_(?P<column>{_METRICS})"
    r"(?:_(?P<statistic>ave|hmean|std))?"
)
_WIDE_OVER_ALL = re.compile(
    rf"(?:ALL_(?P<column>{_METRICS})|TOTAL_score)_(?P<statistic>ave|hmean|std)"
)
_ANY_COLUMN = re.compile(
    r"(?P<metric>p?AUC|precision|recall|F1(?:[ _]score)?)(?:[ _]*[(\[]?(?P<domain>source|target|all)[)\]]?)?",
    re.IGNORECASE,
)
_METRIC_NAMES = {
    "auc": "AUC",
    "pauc": "pAUC",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1 score",
}
_ROW_OF = {
    "ave": "arithmetic mean",
    "a-mean": "arithmetic mean",
    "hmean": "harmonic mean",
    "h-mean": "harmonic mean",
    "std": "standard deviation",
}
OFFICIAL_SCORE = "official score"


class Cell(NamedTuple):
    """Place of a number in any layout.

    Attributes:
        machine_type: "" for numbers over all of them.
        row: section number such as `00`, or the label of a mean.
        domain: `source` or `target` in 2021's rows, else "".
        column: for example `AUC (source)`.
    """

    machine_type: str
    row: str
    domain: str
    column: str

    def __str__(self) -> str:
        parts = (self.machine_type or "all machine types", self.row, self.domain, self.column)
        return " ".join(part for part in parts if part)


@dataclass(frozen=True)
class PublishedNumber:
    """A number of a published table.

    Attributes:
        path: of the table.
        system: whose number it is, where the table tells it, else "".
        cell: what it is of.
        text: as printed.
    """

    path: Path
    system: str
    cell: Cell
    text: str

    @property
    def value(self) -> float:
        """The number."""
        return float(self.text)


def find_published_numbers(root: Path) -> list[PublishedNumber]:
    """The numbers of every CSV file below a folder that is a result table in one of the known layouts."""
    tables = [path for path in sorted(root.rglob("*.csv")) if path.is_file()]
    return [number for path in tables for number in read_published_table(path)]


def read_published_table(path: Path) -> list[PublishedNumber]:
    """The numbers of a table; empty if the file is none."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            text = file.read()
        separator = ";" if text.partition("\n")[0].count(";") else ","
        lines = list(csv.reader(text.splitlines(), delimiter=separator))
    except (UnicodeDecodeError, csv.Error):
        return []
    if not lines:
        return []
    if lines[0][:2] == ["System", "metric"]:
        found = _extract(lines)
    elif any(_WIDE_OF_TYPE.fullmatch(name) for name in lines[0]):
        found = _wide(lines)
    else:
        in_name = _TYPE_IN_NAME.fullmatch(path.name)
        blocks = block_cells(lines, in_name["machine_type"] if in_name else "")
        found = (("", cell, text) for cell, text in blocks)
    return [PublishedNumber(path, *number) for number in found if _is_number(number[2])]


def block_cells(
    lines: Sequence[Sequence[str]], machine_type: str = ""
) -> Iterator[tuple[Cell, str]]:
    """Cells of a table with one block a machine type, as `result.csv` has them.

    Args:
        lines: of the table.
        machine_type: of the first block, where no line names it.
    """
    header: Sequence[str] = ()
    for line in lines:
        if not any(line):
            machine_type, header = "", ()
        elif len(line) == 1:
            machine_type = line[0]
        elif line[0] in _SECTION_HEADERS or (not line[0] and any("AUC" in name for name in line)):
            header = line
        elif line[0].startswith(OFFICIAL_SCORE):
            yield Cell("", line[0], "", ""), line[-1]
        elif header:
            yield from _cells_of_line(machine_type, header, line)


def _cells_of_line(
    machine_type: str, header: Sequence[str], line: Sequence[str]
) -> Iterator[tuple[Cell, str]]:
    row = line[0].removesuffix(OVER_ALL)
    row = f"{int(row):02d}" if row.isdigit() else row
    has_domains = header[1] in ("domain", "")
    domain = line[1] if has_domains else ""
    for name, text in zip(header[1 + has_domains :], line[1 + has_domains :], strict=False):
        yield Cell(machine_type, row, domain, _column(name)), text


def _column(name: str) -> str:
    """`AUC(Source)`, `auc_source` and the like as the baselines write them: `AUC (source)`."""
    found = _ANY_COLUMN.fullmatch(name.strip())
    if not found:
        return name
    metric = _METRIC_NAMES[found["metric"].lower().replace(" ", "_").removesuffix("_score")]
    return f"{metric} ({found['domain'].lower()})" if found["domain"] else metric


def _extract(lines: Sequence[Sequence[str]]) -> Iterator[tuple[str, Cell, str]]:
    """One line a system and metric, one column a machine type."""
    for system, metric, *values in lines[1:]:
        column = metric.replace(" (source, target)", "").replace("TOTAL score", OFFICIAL_SCORE)
        for name, text in zip(lines[0][2:], values, strict=False):
            # A machine type's number is the mean over its sections.
            row = _ROW_OF.get(name, "arithmetic mean")
            yield system, Cell("" if name in _ROW_OF else name, row, "", column), text


def _wide(lines: Sequence[Sequence[str]]) -> Iterator[tuple[str, Cell, str]]:
    """One line a system, one column a number; of a single run, mean and harmonic mean are the number itself."""
    for system, *values in lines[1:]:
        for name, text in zip(lines[0][1:], values, strict=False):
            of_type, over_all = _WIDE_OF_TYPE.fullmatch(name), _WIDE_OVER_ALL.fullmatch(name)
            if of_type and of_type["statistic"] != "std":
                cell = Cell(of_type["machine_type"], of_type["row"], "", of_type["column"])
                yield system, cell, text
            elif over_all:
                column = over_all["column"] or OFFICIAL_SCORE
                yield system, Cell("", _ROW_OF[over_all["statistic"]], "", column), text


def _is_number(text: str) -> bool:
    try:
        return float(text) == float(text)
    except ValueError:
        return False
