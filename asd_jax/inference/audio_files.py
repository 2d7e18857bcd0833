"""Recordings on disk: finding them, what their paths tell, and reading them as the training clips were read."""

import dataclasses
import os
import re
import stat
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from tfds_dcase import ClipInfo
from tfds_dcase.errors import printable
from tfds_dcase.layouts import SAMPLE_RATE
from tfds_dcase.reading import Unreadable
from tfds_dcase.recordings import OTHER_SOUND, SUFFIXES, decode, read_header
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


class Unsearched(NamedTuple):
    """What is named, or lies in a named folder, and whose recordings are not scored."""

    path: Path
    why: Unreadable


@dataclasses.dataclass
class Found:
    """What paths lead to.

    Attributes:
        files: recordings, each once; also those in formats that may not be read: reading tells.
        unsearched: folders that no recordings come from.
        others: how many files lie beside them that are no recordings by their endings, by ending.
    """

    files: list[Path] = dataclasses.field(default_factory=list)
    unsearched: list[Unsearched] = dataclasses.field(default_factory=list)
    others: Counter[str] = dataclasses.field(default_factory=Counter)

    def note(self) -> str:
        """One phrase on what was passed over; empty for nothing."""
        if not self.others:
            return ""
        endings = ", ".join(f"{count} {ending}" for ending, count in self.others.most_common())
        return f"no recordings by their endings: {printable(endings)}"


def find_files(paths: Sequence[Path]) -> Found:
    """The named files, and the recordings below the named folders in sorted order; each once.

    Hidden files and folders are passed over. Links to folders are not followed; only one that leads to what is searched
    anyway is passed over. What is named but does not exist stays among the files: reading it tells why.

    Raises:
        ValueError: there are none.
    """
    found = Found()
    folders = [path for path in paths if _is_folder(path)]
    for path in paths:
        if path in folders:
            _search(path, folders, found)
        else:
            found.files.append(path)
    found.files = list(dict.fromkeys(found.files))
    if not found.files:
        told = [f"{path} {why.what}" for path, why in found.unsearched if why is not _HOLDS_NONE]
        raise ValueError(
            f"no recordings ({', '.join(SUFFIXES[:6])}, ...) in {', '.join(map(str, paths)) or 'nothing'}"
            f"{''.join(f'; {each}' for each in [*told, found.note()] if each)}: "
            "name audio files, or folders that hold some"
        )
    return found


_HOLDS_NONE = Unreadable("holds no recordings", "Name audio files, or folders that hold some")


def _search(folder: Path, folders_named: Sequence[Path], found: Found) -> None:
    before = len(found.files) + len(found.unsearched)

    def unreadable(error: OSError) -> None:
        why = Unreadable(
            f"is a folder that cannot be searched ({error.strerror})",
            "Give yourself the permission",
        )
        found.unsearched.append(Unsearched(Path(error.filename), why))

    for parent, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        for link in (Path(parent, name) for name in folders):
            if link.is_symlink() and not _leads_back(link, folders_named):
                why = Unreadable("is a link to a folder, which is not followed", "Name the folder")
                found.unsearched.append(Unsearched(link, why))
        for name in sorted(name for name in names if not _is_hidden(name)):
            ending = Path(name).suffix.lower()
            if ending in SUFFIXES or ending in OTHER_SOUND:
                found.files.append(Path(parent, name))
            else:
                found.others[ending or "without one"] += 1
    if len(found.files) + len(found.unsearched) == before:
        found.unsearched.append(Unsearched(folder, _HOLDS_NONE))


def _leads_back(link: Path, folders: Sequence[Path]) -> bool:
    """Whether a link to a folder leads to what is searched, or round to where the search came from."""
    target = link.resolve()
    tops = [folder.resolve() for folder in folders]
    return any(target.is_relative_to(top) or top.is_relative_to(target) for top in tops)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        # What lies above it cannot be entered: reading tells.
        return False


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
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            return Unreadable("is a link that leads nowhere", "Name the file itself")
        return Unreadable("does not exist", "Check the name and the folder")
    except PermissionError as error:
        return Unreadable(f"cannot be read ({error.strerror})", "Give yourself the permission")
    except OSError as error:
        return Unreadable(f"cannot be read ({error.strerror})", "Name another file")
    # Opening a pipe would wait for ever.
    if not stat.S_ISREG(mode):
        return Unreadable("is no file", "Name audio files, or folders that hold some")
    try:
        # The header is looked at first: a recording of a day is refused before it is decoded.
        read_header(path, channel)
        return decode(path, channel).waveform
    except WaveformError as error:
        return Unreadable(str(error), error.cure)
