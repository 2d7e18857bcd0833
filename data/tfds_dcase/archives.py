"""Finds a year's archives in a folder and remembers which ones a dataset was built from."""

import dataclasses
import hashlib
import itertools
import os
import shlex
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from tfds_dcase.errors import ArchiveError, Faults
from tfds_dcase.layouts import LAYOUTS, ArchiveKind, YearLayout, nearest
from tfds_dcase.regular_files import require_regular_file

GROUND_TRUTH = "ground_truth.csv"
# dcase2020/dev_data/fan/train
_DEEPEST = 4
_MOST_FOLDERS = 2000
# What zipfile raises on damaged, encrypted or oddly compressed archives, found by feeding it such.
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, UnicodeDecodeError)


@dataclasses.dataclass(frozen=True)
class Archive:
    """A zip archive that was found for one machine type."""

    path: Path
    kind: ArchiveKind
    machine_type: str

    @property
    def cure(self) -> str:
        """What to do about an archive that cannot be read."""
        return f"Download it again from {self.kind.address(self.machine_type)}"


@dataclasses.dataclass(frozen=True)
class Found:
    """What a folder holds of a year.

    Attributes:
        folder: Where the archives are.
        archives: Those that are there.
        absent: Names of those that are not.
        ground_truth: The user's own table of evaluation labels, when there is one.
    """

    folder: Path
    archives: tuple[Archive, ...]
    absent: tuple[str, ...]
    ground_truth: Path | None


def find_archives(
    layout: YearLayout, manual_dir: Path, machine_types: Sequence[str] = ()
) -> Found | None:
    """Looks for a year's archives in `manual_dir/<config>/`, then in `manual_dir/`.

    Args:
        layout: The year.
        manual_dir: Folder that the user named.
        machine_types: Take only these and require each of them; () takes what is there.

    Returns:
        The archives; None when the folder is missing or holds none of the year.

    Raises:
        ArchiveError: A folder cannot be read, a machine type is unknown or absent.
    """
    check_machine_types(layout, machine_types)
    faults = Faults()
    for folder in (manual_dir / layout.config, manual_dir):
        names = _zip_names(folder)
        archives = tuple(_matching(layout, folder, names, faults))
        faults.raise_if_any(f"archives of {layout.config} in {folder}")
        if archives:
            for archive in archives:
                if not archive.path.is_dir():
                    require_regular_file(archive.path, "a zip archive")
            _require(layout, folder, archives, machine_types)
            zipped = {archive.machine_type for archive in archives}
            unzipped = _unzipped(
                layout, folder, set(machine_types or layout.machine_types) - zipped
            )
            if unzipped:
                raise unzipped
            return _found(layout, folder, archives, machine_types or layout.machine_types)
    return None


def check_machine_types(layout: YearLayout, machine_types: Sequence[str]) -> None:
    """Raises ArchiveError when the year has no such machine type."""
    for name in machine_types:
        if name not in layout.machine_types:
            hint = nearest(name, layout.machine_types)
            raise ArchiveError(f"{layout.config} has no machine type {name!r}: {hint}")


def no_archives(layout: YearLayout, manual_dir: Path) -> ArchiveError:
    """The error for a folder that is missing or holds no archive, with all expected names."""
    there = _zip_names(manual_dir)
    state = "holds no archive of this year" if manual_dir.is_dir() else "does not exist"
    unzipped = _unzipped(layout, manual_dir, layout.machine_types)
    if unzipped:
        return unzipped
    if there:
        state += f" (but {', '.join(there[:3])}{' ...' if len(there) > 3 else ''})"
    lines = [
        f"{manual_dir} {state}. Put archives of {layout.config} there or into "
        f"{manual_dir / layout.config}; one machine type is enough to begin with:",
        *(
            f"  {kind.file_name(name)}  {kind.address(name)}"
            for kind in layout.kinds
            for name in kind.machine_types
        ),
    ]
    return ArchiveError("\n".join(lines))


def _unzipped(
    layout: YearLayout, folder: Path, machine_types: Collection[str]
) -> ArchiveError | None:
    """Names a folder that lies there in place of an archive of one of these machine types, and the cure."""
    parts = {part for kind in layout.kinds for part in kind.parts} | {"test", "source_test"}
    found = {
        path.parent
        for path in itertools.islice(_folders(folder, _DEEPEST), _MOST_FOLDERS)
        if path.name.lower() in parts
    }
    for kind in layout.kinds:
        for machine_type in sorted(set(kind.machine_types) & set(machine_types)):
            name = kind.file_name(machine_type)
            for place in sorted(found):
                if place.name.lower() == machine_type.lower():
                    archive = shlex.quote(str((folder / name).absolute()))
                    parent = shlex.quote(str(place.parent.absolute()))
                    return ArchiveError(
                        f"{place} is an unzipped archive; the archives themselves are read. Put {name} into "
                        f"{folder}, or make it again: cd {parent} && zip -0 -r {archive} {place.name}"
                    )
    bare = sorted(found & {folder, folder / layout.config})
    if bare and set(machine_types) == set(layout.machine_types):
        kind = layout.kinds[0]
        name = kind.file_name(kind.machine_types[0])
        return ArchiveError(
            f"{bare[0]} holds the folders of an unzipped archive and does not tell its machine type; the archives "
            f"themselves are read. Put them there as they were downloaded, such as {name}"
        )
    return None


def _folders(folder: Path, depth: int) -> Iterator[Path]:
    """All folders below one, so many levels deep; none where it cannot be listed."""
    if not depth or not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            yield path
            yield from _folders(path, depth - 1)


def _zip_names(folder: Path) -> list[str]:
    try:
        if not folder.is_dir():
            return []
        return sorted(
            path.name
            for path in folder.iterdir()
            if path.suffix.lower() == ".zip" and not path.name.startswith("._")
        )
    except OSError as error:
        raise ArchiveError(
            f"{folder} cannot be read ({error.strerror}). Give yourself the permission to list "
            "the folder, or name another one"
        ) from error


def _matching(
    layout: YearLayout, folder: Path, names: Collection[str], faults: Faults
) -> Iterable[Archive]:
    official = {name.lower(): name for name in layout.archive_names()}
    other_years = frozenset[str]().union(*(other.archive_names() for other in LAYOUTS.values()))
    for written in names:
        # A copy from another system may have other capitals.
        name = official.get(written.lower(), written)
        if name != written and name in names:
            continue
        fitting = [
            Archive(folder / written, kind, machine_type)
            for kind in layout.kinds
            if (machine_type := kind.machine_type_in(name))
        ]
        known = [found for found in fitting if found.machine_type in found.kind.machine_types]
        for found in known:
            current = found.kind.file_name(found.machine_type)
            if name == current:
                yield found
            elif current not in names and name not in other_years:
                cure = f"Download {found.kind.address(found.machine_type)} in its place"
                faults.add(str(folder / written), "is a first release, which was replaced", cure)
        # One folder may hold several years: dev_data_fan.zip also fits 2023's dev_<type>.zip.
        if fitting and not known and name not in other_years:
            kind, unknown = fitting[-1].kind, fitting[-1].machine_type
            pattern = kind.name.format(machine_type="<machine type>")
            faults.add(
                str(folder / name),
                f"unknown machine type {unknown!r} in an archive named {pattern}",
                f"Rename or remove it: {nearest(unknown, kind.machine_types)}",
            )


def _require(
    layout: YearLayout, folder: Path, archives: Sequence[Archive], machine_types: Sequence[str]
) -> None:
    faults = Faults()
    for name in machine_types:
        if not any(archive.machine_type == name for archive in archives):
            kinds = [kind for kind in layout.kinds if name in kind.machine_types]
            faults.add(
                f"machine type {name}",
                f"none of {', '.join(kind.file_name(name) for kind in kinds)} is in {folder}",
                f"Download {' and '.join(kind.address(name) for kind in kinds)}, or leave {name} "
                "out of the machine types",
            )
    faults.raise_if_any(f"missing archives of {layout.config}")


def _found(
    layout: YearLayout, folder: Path, archives: Sequence[Archive], machine_types: Sequence[str]
) -> Found:
    chosen = tuple(archive for archive in archives if archive.machine_type in machine_types)
    present = {archive.path.name for archive in chosen}
    expected = (
        kind.file_name(name)
        for kind in layout.kinds
        for name in kind.machine_types
        if name in machine_types
    )
    table = folder / GROUND_TRUTH
    return Found(
        folder,
        chosen,
        tuple(name for name in expected if name not in present),
        _own_table(table),
    )


@dataclasses.dataclass(frozen=True)
class Fingerprint:
    """What tells whether a file is still the one that a dataset was built from.

    Attributes:
        name: File name.
        size: Bytes.
        modified: Time of the last change, nanoseconds since 1970.
        digest: SHA-256 of the names, sizes and CRCs in the central directory (of the whole file
            for the table of labels).
    """

    name: str
    size: int
    modified: int
    digest: str


def fingerprint(path: Path) -> Fingerprint:
    """Reads the fingerprint of an archive that is known to open, or of a table."""
    state = path.stat()
    return Fingerprint(path.name, state.st_size, state.st_mtime_ns, _digest(path))


def fingerprints(found: Found) -> tuple[Fingerprint, ...]:
    """Fingerprints of the archives and of the user's own table of labels."""
    return tuple(fingerprint(path) for path in _files(found))


def differences(found: Found, built_from: Sequence[Fingerprint]) -> list[str]:
    """How the files in a folder differ from those that a dataset was built from.

    Files that are gone are no difference: a finished dataset does not need them any more.
    """
    known = {known.name: known for known in built_from}
    return [
        f"{path.name} {'has changed' if path.name in known else 'is new'}"
        for path in _files(found)
        if path.name not in known or not _same(path, known[path.name])
    ]


def _files(found: Found) -> list[Path]:
    paths = [archive.path for archive in found.archives]
    return [*paths, found.ground_truth] if found.ground_truth else paths


def _same(path: Path, known: Fingerprint) -> bool:
    state = path.stat()
    if state.st_size != known.size:
        return False
    if state.st_mtime_ns == known.modified:
        return True
    try:
        # A copied archive has a new time: only then is its directory worth reading.
        return _digest(path) == known.digest
    except (*DAMAGE, OSError):
        return False


def _digest(path: Path) -> str:
    if path.suffix != ".zip":
        return hashlib.sha256(path.read_bytes()).hexdigest()
    digest = hashlib.sha256()
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            digest.update(f"{member.filename}\0{member.file_size}\0{member.CRC}\n".encode())
    return digest.hexdigest()


def _own_table(path: Path) -> Path | None:
    if not path.exists():
        return None
    require_regular_file(path, "a table of labels")
    return path
