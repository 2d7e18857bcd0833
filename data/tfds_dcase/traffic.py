"""Bytes on their way: counted for a bar or a callback, and stopped together."""

import threading
from types import TracebackType
from typing import BinaryIO, Self

from tfds_dcase.bars import progress_bar
from tfds_dcase.progress import Progress


class StoppedError(Exception):
    """The download was interrupted: this transfer ends where it is."""


class Traffic:
    """What all transfers of a download share.

    A callback gets `downloading`, files done, files in all and bytes done.

    Args:
        progress: Where to report.
        files: Files to fetch.
        size: Bytes in all as far as they are known, with those that are there.
        there: Bytes that earlier downloads left.
    """

    def __init__(self, progress: Progress, files: int, size: int, there: int) -> None:
        self._progress = progress
        self._files = files
        self._files_done = 0
        self._bytes_done = there
        self._gate = threading.Lock()
        self._stopped = threading.Event()
        self._bar = progress_bar(
            desc="downloading",
            total=size or None,
            initial=there,
            unit="B",
            unit_scale=True,
            disable=progress is not True,
        )

    def __enter__(self) -> Self:
        """Begins to report."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stops the transfers that still run: none writes a byte after this."""
        with self._gate:
            self._stopped.set()
            self._bar.close()

    def write(self, file: BinaryIO, chunk: bytes) -> None:
        """Writes what came.

        Raises:
            StoppedError: The download was interrupted.
        """
        with self._gate:
            # Under the lock: a thread that outlives the download must not touch a part file
            # that the next download goes on with.
            if self._stopped.is_set():
                raise StoppedError
            file.write(chunk)
            self._count(len(chunk))

    def forget(self, size: int) -> None:
        """Takes back the bytes of a part that was thrown away."""
        with self._gate:
            self._count(-size)

    def finish_file(self) -> None:
        """Counts a file that is whole."""
        with self._gate:
            self._files_done += 1
            self._count(0)

    def pause(self, seconds: float) -> None:
        """Waits before a transfer is tried again.

        Raises:
            StoppedError: The download was interrupted.
        """
        if self._stopped.wait(seconds):
            raise StoppedError

    def _count(self, size: int) -> None:
        self._bytes_done += size
        if not self._stopped.is_set():
            self._bar.update(size)
            if callable(self._progress):
                self._progress("downloading", self._files_done, self._files, self._bytes_done)
