"""SIGTERM and Ctrl-C while a training runs: it saves at the next step and leaves with a status that is no success."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from tfds_dcase_command.terminal import INTERRUPTED, TERMINATED, ExpectedError

_STATUS = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}


class TrainingInterruptedError(ExpectedError):
    """A training was asked to stop and has saved where it was."""

    def __init__(self, message: str, status: int = TERMINATED):
        super().__init__(message)
        self.status = status


class Interruption:
    """Takes note of the first SIGTERM or Ctrl-C, while it is entered; a second one ends the program at once.

    Signals reach a program's main thread only: elsewhere nothing is noted.

    Args:
        signals: those to take note of.

    Attributes:
        status: exit status for the signal that came; None while none did.
    """

    def __init__(self, signals: tuple[signal.Signals, ...] = (signal.SIGINT, signal.SIGTERM)):
        self.status: int | None = None
        self._signals = signals
        self._earlier: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            self._earlier = {kind: signal.signal(kind, self._note) for kind in self._signals}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.status = _STATUS[signal.Signals(number)]
        for kind in self._signals:
            signal.signal(kind, signal.SIG_DFL)
