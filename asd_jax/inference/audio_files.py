"""Recordings on disk: finding them, what their paths tell, and reading them as the training clips were read."""

import dataclasses
import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from tfds_dcase import ClipInfo
from tfds_dcase.layouts import SAMPLE_RATE
from tfds_dcase.reading import Unreadable
from tfds_dcase.recordings import SUFFIXES, decode, read_header
from tfds_dcase.waveforms import WaveformError

SectionBy = Literal["flag", "path", "match"]
"""Who says of which section a recording is: the user, its path, or nobody: then the best match is reported."""

UNKNOWN = "unknown"
_NUMBERED = re.compile(r"(?<![a-z0-9])(section|id)_(\d+)", re.IGNORECASE)


class Claim(NamedTuple):
    """The section that a recording is said to be of: a known one, or `UNKNOWN`."""

    section: str
    by: SectionBy


@dataclasses.dataclass(frozen=True)
class AudioFile:
    """A recording to score, and what is claimed of it before it is heard."""

    path: Path
    machine_type: str
    claim: Claim

    def clip(self, samples: int) -> ClipInfo:
        """The recording as a test clip of which no more is known."""
        return ClipInfo(
            split="",
            position=0,
            clip_id=str(self.path),
            file_name=self.path.name,
            machine_type=self.machine_type,
            section=self.claim.section,
            domain=UNKNOWN,
            label=UNKNOWN,
            attributes="",
            sample_rate=SAMPLE_RATE,
            samples=samples,
            content_hash="",
        )


def find_files(paths: Sequence[Path]) -> list[Path]:
    """The named files, and the recordings below the named folders in sorted order; each once.

    Hidden files and folders are passed over, links to folders are not followed. What is named but cannot be searched or
    does not exist stays in the list: reading it tells why.

    Raises:
        ValueError: there are none.
    """
    found: dict[Path, None] = {}
    for path in paths:
        found |= dict.fromkeys(_below(path) if path.is_dir() else [path])
    if not found:
        raise ValueError(
            f"no recordings ({', '.join(SUFFIXES)}) in {', '.join(map(str, paths)) or 'nothing'}: "
            "name audio files, or folders that hold some"
        )
    return list(found)


def _below(folder: Path) -> list[Path]:
    found: list[Path] = []

    def unreadable(error: OSError) -> None:
        found.append(Path(error.filename))

    for parent, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        files = sorted(name for name in names if not _is_hidden(name))
        found += [Path(parent, name) for name in files if Path(name).suffix.lower() in SUFFIXES]
    return found


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def machine_type_of(path: Path, known: Collection[str]) -> str | None:
    """The known machine type that the file's name begins with, or that names the nearest folder above it."""
    begins = [name for name in known if re.match(rf"{re.escape(name)}(?![A-Za-z0-9])", path.name)]
    if begins:
        return max(begins, key=len)
    return next((name for name in _folders_above(path) if name in known), None)


def claim_of(path: Path, known: Sequence[str], chosen: str | None = None) -> Claim:
    """What the user, the file's name or the nearest folder says of a recording's section.

    A name counts as the data sets write it: `normal_id_02_00000000.wav`, `section_01/x.wav`.

    Args:
        path: of the recording.
        known: sections of its machine type.
        chosen: the user's word: `section_01`, or its number alone.

    Raises:
        ValueError: the user's section is not known.
    """
    if chosen is not None:
        number = f"{int(chosen):02d}" if chosen.isdigit() else None
        agreeing = [s for s in known if s == chosen or (number and s.endswith(f"_{number}"))]
        if len(agreeing) != 1:
            raise ValueError(
                f"{path}: section {chosen} is not known of its machine type; known are {', '.join(known)}: choose one "
                "of them, or leave the choice out for the best match"
            )
        return Claim(agreeing[0], "flag")
    in_folders = (_NUMBERED.fullmatch(name) for name in _folders_above(path))
    said = _NUMBERED.search(path.stem) or next((name for name in in_folders if name), None)
    if said:
        section = f"{said[1].lower()}_{int(said[2]):02d}"
        if section in known:
            return Claim(section, "path")
    return Claim(UNKNOWN, "match")


def _folders_above(path: Path) -> list[str]:
    """Names of the folders above a path, the nearest first."""
    return list(reversed(Path(os.path.normpath(path.absolute())).parent.parts))


def read_recording(path: Path, channel: str) -> np.ndarray | Unreadable:
    """A recording's waveform at 16 kHz, int16 `[samples]`, or why there is none.

    Args:
        path: of a file, or of anything else.
        channel: of several, the `first`, the `second`, or their `mean`.
    """
    if path.is_dir():
        return Unreadable("is a folder that cannot be searched", "Give yourself the permission")
    if not path.exists():
        return Unreadable("does not exist", "Check the name and the folder")
    if not path.is_file():
        # Opening a pipe would wait for ever.
        return Unreadable("is no file", "Name audio files, or folders that hold some")
    try:
        # The header is looked at first: a recording of a day is refused before it is decoded.
        read_header(path, channel)
        return decode(path, channel).waveform
    except WaveformError as error:
        return Unreadable(str(error), error.cure)
