"""Reads clips' waveforms out of their archives."""

import dataclasses
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from tfds_dcase.archives import DAMAGE
from tfds_dcase.clips import Clip
from tfds_dcase.waveforms import WaveformError, decode_wav


@dataclasses.dataclass(frozen=True)
class Unreadable:
    """Why a clip cannot be read, and the cure."""

    what: str
    cure: str


@dataclasses.dataclass(frozen=True)
class Heard:
    """A clip's waveform, int16 `[samples]` or `[samples, channels]`, and how many samples were clipped."""

    waveform: npt.NDArray[np.int16]
    clipped: int = 0


Read = Callable[[Clip], Heard | Unreadable]
"""Reads a clip; several threads may do so at the same time."""


class ArchiveReader:
    """Reads one zip archive, in several threads if the caller likes; use as a context manager.

    Args:
        archive: The archive.
        channels: Of its clips.
    """

    def __init__(self, archive: Path, channels: int):
        self._archive = zipfile.ZipFile(archive)
        self._channels = channels
        self._lock = threading.Lock()

    def __enter__(self) -> "ArchiveReader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._archive.close()

    def read(self, clip: Clip) -> Heard | Unreadable:
        """The clip's waveform, or why there is none."""
        try:
            return Heard(decode_wav(self._unpacked(clip), self._channels))
        except WaveformError as error:
            return Unreadable(str(error), error.cure)
        except (*DAMAGE, OSError) as error:
            cure = "The archive is damaged: download it again"
            return Unreadable(f"cannot be unpacked ({error})", cure)

    def _unpacked(self, clip: Clip) -> bytes:
        # Opening and closing count the archive's users, which threads must not do at the same time.
        with self._lock:
            file = self._archive.open(clip.member)
        try:
            # Without a limit, a member that declares little may fill the memory.
            return file.read(clip.size)
        finally:
            with self._lock:
                file.close()
