"""The results as CSV lines, to a file and to the terminal, as they come."""

import contextlib
import csv
import dataclasses
import io
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from tfds_dcase.errors import printable
from tqdm import tqdm

from asd_jax.inference.decisions import FileScore
from asd_jax.inference.hearing import UnheardFile

_LONG_COLUMNS = ("stretches", "worst_start", "worst_end", "remark")
_CLIP_COLUMNS = tuple(
    field.name for field in dataclasses.fields(FileScore) if field.name not in _LONG_COLUMNS
)
COLUMNS = (*_CLIP_COLUMNS, "error", *_LONG_COLUMNS)
"""New ones come last: programs that read tables by place go on."""
_SECONDS = dict.fromkeys(("seconds", "heard_seconds", "worst_start", "worst_end"), "{:.2f}")
_ROUNDED = {"score": "{:.6g}", "p_value": "{:.3g}"} | _SECONDS

NORMAL, ANOMALY, SETUP_ERROR, UNREADABLE, ANOMALY_AND_UNREADABLE = range(5)
"""Exit status of a program: what the files are, or 2 where none of them was heard."""


_DECISIONS: dict[object, str] = {0: "NORMAL", 1: "ANOMALY"}
_COLOURS = {"NORMAL": "\033[32m", "ANOMALY": "\033[1;31m", "ERROR": "\033[33m"}

_Row = dict[str, object]


class ScoreTable:
    """Writes a line per file and counts; each batch is flushed, so that a kill loses no more than the batch at work.

    A person at a terminal sees aligned columns, with the decision first and in colour; a pipe or a file gets CSV.

    Args:
        printed: gets numbers of a few digits.
        kept: gets numbers with every digit; None for none.
        note: what else the summary says.
    """

    def __init__(self, printed: TextIO, kept: TextIO | None = None, note: str = ""):
        self._printed, self._kept, self._note = printed, kept, note
        self.scored = self.anomalies = self.unreadable = self.matched = self.long = 0
        self._is_seen = printed.isatty()
        self._is_coloured = self._is_seen and has_colours()
        self._write([dict(zip(COLUMNS, COLUMNS, strict=True))], rounded=False)

    def add(self, results: Sequence[FileScore | UnheardFile]) -> None:
        """Writes some files' lines. What is wrong with a file stands in its line and among the errors."""
        rows: list[_Row] = []
        for result in results:
            if isinstance(result, UnheardFile):
                self.unreadable += 1
                rows.append(_unreadable(result))
            else:
                self.scored += 1
                self.anomalies += result.decision
                self.matched += result.section_by == "match"
                self.long += result.stretches is not None
                rows.append(dataclasses.asdict(result))
        self._write(rows)
        for row in rows:
            if "error" in row:
                # Names of files are foreign text: control characters must not reach a terminal.
                message = printable(f"{row['file']}: {row['error']}")
                with tqdm.external_write_mode(sys.stderr):
                    print(f"error: {message}", file=sys.stderr)

    @property
    def status(self) -> int:
        """Exit status: a file that could not be read is never hidden by the others, nor an anomaly by it."""
        if self.unreadable:
            return ANOMALY_AND_UNREADABLE if self.anomalies else UNREADABLE
        return ANOMALY if self.anomalies else NORMAL

    def summary(self) -> str:
        """One line on all files."""
        text = f"{self.scored} scored, {self.anomalies} anomalies, {self.unreadable} not readable"
        if self.matched:
            text += (
                f"; {self.matched} of no known section were compared with all of their machine type"
            )
        if self.long:
            text += f"; {self.long} much longer than the training clips were judged by their worst stretches"
        return f"{text}; {self._note}" if self._note else text

    def _write(self, rows: Sequence[_Row], rounded: bool = True) -> None:
        # On a terminal the lines and the progress bar would run into each other.
        with tqdm.external_write_mode() if self._is_seen else contextlib.nullcontext():
            shown = [_rounded(row) for row in rows] if rounded else rows
            if self._is_seen:
                self._printed.write("".join(_for_a_person(row, self._is_coloured) for row in shown))
            else:
                self._printed.write(_lines(shown))
            self._printed.flush()
        if self._kept:
            self._kept.write(_lines(rows))
            self._kept.flush()


def has_colours() -> bool:
    """Whether a terminal may get colours: not where NO_COLOR is set (no-color.org) or it knows none."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"


def _for_a_person(row: _Row, in_colour: bool) -> str:
    """A line with aligned columns; names of files are foreign text."""
    word = _DECISIONS.get(row.get("decision"), "decision" if "score" in row else "ERROR")
    before, after = (_COLOURS[word], "\033[0m") if in_colour and word in _COLOURS else ("", "")
    columns = [
        f"{before}{word:8}{after}",
        f"{row.get('score', '')!s:>11}",
        f"{row.get('p_value', '')!s:>9}",
        f"{row.get('machine_type', '')!s:14}",
        f"{row.get('section') or '-'!s:11}",
        printable(str(row["file"])),
    ]
    remark = row.get("remark")
    told = f"  ({remark})" if remark and remark != "remark" else ""
    return "  ".join(columns) + printable(told) + "\n"


def _unreadable(unheard: UnheardFile) -> _Row:
    return {
        "file": str(unheard.file.path),
        "machine_type": unheard.file.machine_type,
        "error": f"{unheard.what}. {unheard.cure}",
    }


def _rounded(row: _Row) -> _Row:
    told = {key: form for key, form in _ROUNDED.items() if row.get(key) is not None}
    return row | {key: form.format(row[key]) for key, form in told.items()}


def _lines(rows: Sequence[_Row]) -> str:
    lines = io.StringIO()
    csv.DictWriter(lines, COLUMNS, restval="", lineterminator="\n").writerows(rows)
    return lines.getvalue()


@contextlib.contextmanager
def output_file(path: Path | None, inputs: Sequence[Path]) -> Iterator[TextIO | None]:
    """The file to keep results in, emptied; None where none is wanted.

    Raises:
        ValueError: it cannot be written, or is one of the inputs.
    """
    if path is None:
        yield None
        return
    if any(_is_same(path, file) for file in inputs):
        raise ValueError(f"--output={path} is one of the files to score: choose another name")
    try:
        # Names that are no Unicode text come through as the bytes that they are.
        file = path.open("w", newline="", encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise ValueError(
            f"--output={path} cannot be written ({error.strerror}): name a file in a folder that you may write to"
        ) from error
    with file:
        yield file


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        # One of them is not there, or cannot be looked at.
        return False
