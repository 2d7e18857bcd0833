"""Progress bars: a bar on a terminal, a line every half minute where nobody watches."""

import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 30.0
_LINE = (
    "{desc}: {n_fmt}/{total_fmt} {unit}, {rate_fmt}{postfix}, {elapsed} passed, {remaining} left"
)
_LINE_WITHOUT_TOTAL = "{desc}: {n_fmt} {unit}, {rate_fmt}{postfix}, {elapsed} passed"


def progress_bar(iterable: Iterable[Any] | None = None, **settings: Any) -> tqdm:
    """A tqdm bar; where standard error is no terminal it prints whole lines, seldom.

    Args:
        iterable: What is gone through; or none, and `update` is called.
        settings: Of tqdm: `desc`, `total`, `unit`, `initial`, `unit_scale`, `disable`.
    """
    file: TextIO = settings.pop("file", None) or sys.stderr
    if file.isatty():
        return tqdm(iterable, file=file, dynamic_ncols=True, **settings)
    settings["unit"] = settings.get("unit", "it").strip()
    return tqdm(
        iterable,
        file=_Lines(file),
        mininterval=SECONDS_BETWEEN_LINES,
        # Looked at every step: a slow step may take longer than the interval.
        miniters=1,
        maxinterval=float("inf"),
        delay=SECONDS_BETWEEN_LINES,
        bar_format=_LINE if settings.get("total") else _LINE_WITHOUT_TOTAL,
        **settings,
    )


class _Lines:
    """Turns what a bar redraws in place into lines."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str) -> None:
        shown = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).strip("\r\n ")
        if shown:
            self._file.write(f"{shown}\n")

    def flush(self) -> None:
        self._file.flush()

    def isatty(self) -> bool:
        return False
