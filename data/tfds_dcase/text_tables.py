"""Text files of numbers and names, as spreadsheets, loggers and programs write them: the dialect is found and told.

Never guessed: what may be read in two ways is refused with the line, the cell and a way out.
"""

import codecs
import csv
import dataclasses
import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from tfds_dcase.errors import ArchiveError
from tfds_dcase.regular_files import require_regular_file

SEPARATORS = {"\t": "tab", ";": "';'", "|": "'|'", ",": "','", " ": "spaces"}
_SAMPLE_LINES = 2000
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Minus signs and spaces of typography, which spreadsheets and PDF files write into numbers.
_TYPOGRAPHY = str.maketrans({"\u2212": "-", "\u2012": "-", "\u2013": "-", "\ufe63": "-"})
_SPACES = re.compile("[\u00a0\u202f\u2009\u2007]")
_POINT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eEdD][-+]?\d+)?")
_COMMA = re.compile(r"[-+]?(\d+,?\d*|,\d+)([eEdD][-+]?\d+)?")
_WITH_COMMA = re.compile(r"[-+]?\d*,\d+([eEdD][-+]?\d+)?")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}([.,]\d{3})+")
_BOTH = re.compile(r"[-+]?[\d.,]*(\.[\d]+,|,[\d]+\.)[\d.,]*")
_WHOLE = re.compile(r"[-+]?\d+")
_MISSING = {"", "nan", "na", "n/a", "null", "none", "#n/a", "-"}
_INFINITE = {"inf", "+inf", "-inf", "infinity", "-infinity", "+infinity"}


@dataclasses.dataclass(frozen=True)
class TextTable:
    """The cells of a file.

    Attributes:
        path: Of the file.
        rows: Cells of every line that holds any, without the spaces around them.
        lines: Each row's line in the file, from 1.
        separator: Between cells; "" in a file of one column.
        decimal: "." or ",", as numbers are written; "." where no number tells.
        encoding: As Python names it.
    """

    path: Path
    rows: list[list[str]]
    lines: list[int]
    separator: str
    decimal: str
    encoding: str

    def dialect(self) -> str:
        """What was found, for people: `separator ';', decimal ','`."""
        separator = SEPARATORS.get(self.separator, "none (one column)")
        encoding = {"utf-16": ", UTF-16", "utf-8-sig": ", with a byte order mark"}
        return f"separator {separator}, decimal '{self.decimal}'{encoding.get(self.encoding, '')}"

    def number(self, cell: str) -> float | None:
        """A cell as a number, NaN where it is empty; None for text."""
        return number(cell, self.decimal)


def number(cell: str, decimal: str = ".") -> float | None:
    """A cell as a number: typographic signs and Fortran's exponents are understood. NaN where empty, None for text."""
    text = _SPACES.sub("", cell.strip().translate(_TYPOGRAPHY))
    if text.lower() in _MISSING:
        return float("nan")
    if text.lower() in _INFINITE:
        return float(text)
    if not (_COMMA if decimal == "," else _POINT).fullmatch(text):
        return None
    return float(text.replace(",", ".").replace("D", "e").replace("d", "e"))


def read_table(path: Path, what: str, decimal: str = "") -> TextTable:
    """Reads a text file of cells.

    Args:
        path: Of the file.
        what: It should be, for messages: `a table of labels`.
        decimal: "." or "," where the user tells it; "" finds it.

    Raises:
        FileNotFoundError: There is nothing.
        ArchiveError: It is no text, or can be read in two ways.
    """
    text, encoding = _text(path, what)
    numbered = [
        (number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()
    ]
    separator = ""
    if numbered and (told := re.fullmatch(r"\s*sep=(.)\s*", numbered[0][1], re.IGNORECASE)):
        separator, numbered = told[1], numbered[1:]
    # Comments stand before the first line of data; behind it a line that begins so is data.
    while numbered and numbered[0][1].lstrip().startswith("#"):
        numbered = numbered[1:]
    lines = [line for _, line in numbered]
    separator = separator or _separator(lines[:_SAMPLE_LINES])
    rows = _rows(path, lines, separator)
    numbers = [number for number, _ in numbered]
    table = TextTable(path, rows, numbers, separator, ".", encoding)
    if decimal == "," and separator == ",":
        return dataclasses.replace(
            table, rows=[[line.strip()] for line in lines], separator="", decimal=","
        )
    if not separator:
        _require_no_gaps(path, numbers)
    if separator == "," and not decimal:
        _require_no_cut_decimals(table)
    return dataclasses.replace(table, decimal=decimal or _decimal(table))


def _text(path: Path, what: str) -> tuple[str, str]:
    require_regular_file(path, what)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read ({error.strerror})") from error
    encoding = next((name for mark, name in _BOMS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ArchiveError(
            f"{path}, line {line}: no text in UTF-8. Save it as {what} in UTF-8"
        ) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise ArchiveError(f"{path}, line {line}: no text, it holds zero bytes. Give {what}")
    return text, encoding


def _separator(lines: Sequence[str]) -> str:
    """The separator that cuts the lines into equally many cells; "" where there is one column."""
    best, fit = "", 0.0
    for candidate in SEPARATORS:
        counts = [len(cells) for cells in _cells(lines, candidate)]
        several = [count for count in counts if count > 1]
        if not several:
            continue
        usual = max(set(several), key=several.count)
        share = several.count(usual) / len(counts)
        # In this order: a comma may be a decimal sign, and spaces may stand beside any other separator.
        if share > fit + 0.2:
            best, fit = candidate, share
    return best


def _cells(lines: Sequence[str], separator: str) -> list[list[str]]:
    if separator == " ":
        return [line.split() for line in lines]
    if not separator:
        # Quotes still stand around a cell.
        return list(csv.reader(lines, delimiter="\x1f", skipinitialspace=True))
    return list(csv.reader(lines, delimiter=separator, skipinitialspace=True))


def _rows(path: Path, lines: Sequence[str], separator: str) -> list[list[str]]:
    try:
        rows = [[cell.strip() for cell in row] for row in _cells(lines, separator)]
    except csv.Error as error:
        raise ArchiveError(f"{path} is no table: {error}") from error
    if len(rows) != len(lines):
        raise ArchiveError(f"{path}: a cell in quotes goes over several lines. Write it in one")
    widths = {len(row) for row in rows}
    # Some programs end every line with a separator.
    if len(widths) == 1 and widths != {1} and all(not row[-1] for row in rows):
        rows = [row[:-1] for row in rows]
    return rows


def _decimal(table: TextTable) -> str:
    """The decimal sign, from all cells that are numbers with one reading or the other."""
    commas = thousands = 0
    points = False
    where = ("", 0)
    for row, line in zip(table.rows, table.lines, strict=True):
        for cell in row:
            if "," not in cell:
                points = points or ("." in cell and _POINT.fullmatch(cell) is not None)
                continue
            text = _SPACES.sub("", cell.translate(_TYPOGRAPHY))
            if _BOTH.fullmatch(text):
                raise ArchiveError(
                    f"{table.path}, line {line}: {cell!r} has signs for thousands. Write numbers without them"
                )
            if _WITH_COMMA.fullmatch(text):
                commas += 1
                thousands += _THOUSANDS.fullmatch(text) is not None
                where = where if where[1] else (cell, line)
    if not commas:
        return "."
    if points:
        raise ArchiveError(
            f"{table.path}, line {where[1]}: {where[0]!r}, but other numbers have a point. Write all in one way"
        )
    if commas == thousands:
        raise ArchiveError(
            f"{table.path}, line {where[1]}: {where[0]!r} may be a decimal comma or a sign for thousands. Write the "
            "numbers with a point"
        )
    return ","


def _require_no_gaps(path: Path, numbers: Sequence[int]) -> None:
    """Refuses an empty line in a file of one column, but not empty lines between all."""
    steps = [after - before for before, after in itertools.pairwise(numbers)]
    if len(set(steps)) > 1:
        line = numbers[next(i for i, step in enumerate(steps) if step != min(steps))] + 1
        raise ArchiveError(
            f"{path}, line {line}: nothing stands there, and all values behind it may be shifted. Write the missing "
            "value, or take the empty line out"
        )


def _require_no_cut_decimals(table: TextTable) -> None:
    """Refuses `1,5`, which may be cut in two at its decimal comma."""
    first = ""
    for row in table.rows:
        pairs = list(zip(row[::2], row[1::2], strict=False))
        if len(row) % 2 or not all(
            _WHOLE.fullmatch(whole.translate(_TYPOGRAPHY)) and part.isdecimal()
            for whole, part in pairs
        ):
            # A header, a point or a sign tells that the commas part cells.
            return
        first = first or ",".join(pairs[0])
    if first:
        raise ArchiveError(
            f"{table.path}, line {table.lines[0]}: {first!r} may be two whole numbers or one with a decimal comma. "
            "Write numbers with a point, or semicolons between the cells; of a series, --set data.decimal=point "
            "tells that commas part the cells, and --set data.decimal=comma that they are decimal signs"
        )
