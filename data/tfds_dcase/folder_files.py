"""The files below a folder of own recordings, and what their names tell."""

import collections
import dataclasses
import os
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from tfds_dcase.archives import Fingerprint
from tfds_dcase.errors import Faults
from tfds_dcase.folder_names import (
    Contradiction,
    Placement,
    is_told_word,
    machine_type_fault,
    place,
    told_by_names,
)
from tfds_dcase.recordings import SUFFIXES

PERMISSION = "Give yourself the permission to read it"

_LINKS = "symbolic links"


@dataclasses.dataclass(frozen=True)
class OwnFile:
    """A recording and what is known of it before it is opened.

    Attributes:
        base: The folder that its name counts from.
        member: Its path below that, with slashes.
        machine_type: Of the machine that was recorded.
        placement: Its part, section, domain, label and attributes.
        state: Its size and time of change.
    """

    base: Path
    member: str
    machine_type: str
    placement: Placement
    state: Fingerprint

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.base / self.member


@dataclasses.dataclass(frozen=True)
class Listing:
    """The recordings of a folder, and remarks for the user."""

    files: tuple[OwnFile, ...]
    notes: tuple[str, ...]


def list_folder(folder: Path, machine_types: Sequence[str], faults: Faults) -> Listing:
    """Lists every recording in the folders of a folder, each of which is a machine type.

    Hidden files are passed over; other files and symbolic links are counted in the notes.

    Args:
        folder: Holds a folder for each machine type.
        machine_types: Take only these; () takes all.
        faults: Takes what is wrong with names and permissions.
    """
    files: list[OwnFile] = []
    left_out: collections.Counter[str] = collections.Counter()
    for path in _visible(folder, machine_types, left_out, faults):
        member = path.relative_to(folder).as_posix()
        if path.suffix.lower() not in SUFFIXES:
            left_out[path.suffix or "none"] += 1
            continue
        state = state_of(path, member, faults)
        if state and is_named_well(member, faults):
            files += _named(folder, member, state, faults)
    _check_machine_types(folder, files, faults)
    return Listing(tuple(files), tuple(_left_out_notes(left_out)))


def state_of(path: Path, name: str, faults: Faults) -> Fingerprint | None:
    """Size and time of change of a file; None for what is no readable file."""
    try:
        state = path.stat()
    except OSError as error:
        faults.add(name, f"cannot be read ({error.strerror})", PERMISSION)
        return None
    # Opening a pipe would wait for ever.
    if not stat.S_ISREG(state.st_mode):
        faults.add(name, "is no file", "Remove it, or give it another ending")
        return None
    return Fingerprint(name, state.st_size, state.st_mtime_ns, "")


def is_named_well(member: str, faults: Faults) -> bool:
    """Whether a name can stand in tables and messages; faults take one that cannot."""
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in member):
        what = "has a name with control characters or of no Unicode text"
        faults.add(member, what, "Rename it")
        return False
    return True


def _visible(
    folder: Path, machine_types: Sequence[str], left_out: collections.Counter[str], faults: Faults
) -> Iterator[Path]:
    """Files that are neither hidden nor links; a link may lead out of the folder or round in it."""

    def unreadable(error: OSError) -> None:
        faults.add(str(error.filename), f"cannot be read ({error.strerror})", PERMISSION)

    for parent, folders, names in os.walk(folder, onerror=unreadable):
        here = Path(parent)
        at_top = here == folder
        shown = {
            name
            for name in (*folders, *names)
            if not (name.startswith(".") or name == "__MACOSX")
            and not (at_top and name in folders and machine_types and name not in machine_types)
        }
        links = {name for name in shown if (here / name).is_symlink()}
        left_out[_LINKS] += len(links)
        folders[:] = sorted(shown.intersection(folders))
        yield from (here / name for name in sorted(shown.intersection(names) - links))


def _named(folder: Path, member: str, state: Fingerprint, faults: Faults) -> list[OwnFile]:
    machine_type, _, below = member.partition("/")
    if not below:
        cure = "Put it into a folder that is named after its machine type"
        faults.add(member, "lies beside the folders of the machine types", cure)
        return []
    try:
        placement = place(told_by_names(PurePosixPath(below)))
    except Contradiction as error:
        faults.add(member, str(error), "Rename or move it")
        return []
    return [OwnFile(folder, member, machine_type, placement, state)]


def _check_machine_types(folder: Path, files: Sequence[OwnFile], faults: Faults) -> None:
    for name in dict.fromkeys(file.machine_type for file in files):
        if fault := machine_type_fault(name):
            faults.add(f"folder {name}", *fault)
        elif is_told_word(name):
            what = "stands where the folders of the machine types are expected"
            cure = f"Choose the folder above, {folder.absolute().parent}, if {folder.name} is one"
            faults.add(f"folder {name}", what, cure)


def _left_out_notes(left_out: collections.Counter[str]) -> Iterator[str]:
    if links := left_out.pop(_LINKS, 0):
        yield f"{links} symbolic links were left out: they are not followed"
    if left_out:
        endings = ", ".join(f"{count} {ending}" for ending, count in left_out.most_common())
        yield (
            f"{left_out.total()} files are no recordings by their endings and were left out: "
            f"{endings} (taken are {', '.join(SUFFIXES)})"
        )
