"""Fetches a year's archives from Zenodo, and goes on where an earlier download stopped."""

import contextlib
import dataclasses
import errno
import shutil
from collections.abc import Mapping, Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path

import requests

from tfds_dcase.archives import Archive, check_machine_types
from tfds_dcase.checksums import Digests, Recorded, damage_of, read_checksums, record
from tfds_dcase.errors import ArchiveError, Faults
from tfds_dcase.layouts import STAGES, layout_of
from tfds_dcase.locks import locked
from tfds_dcase.progress import Progress
from tfds_dcase.traffic import Traffic
from tfds_dcase.transfer import BrokenOffError, WrongFileError, check, fetch, part_of
from tfds_dcase.zenodo import (
    SITE,
    NoFileListError,
    Patience,
    Published,
    address,
    length_of,
    list_files,
    noted,
    open_session,
    published_archives,
    reason,
)

_PATIENT = Patience()
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclasses.dataclass(frozen=True)
class DownloadReport:
    """What a download did.

    Attributes:
        folder: Where the archives are.
        fetched: Archives that came.
        kept: Archives that were there already.
        notes: What could not be checked, and why.
    """

    folder: Path
    fetched: tuple[Path, ...]
    kept: tuple[Path, ...]
    notes: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class _Outcome:
    archive: Archive
    digests: Digests | None = None
    error: Exception | None = None


def download(
    dataset: str | int,
    archives: Path | str,
    machine_types: Sequence[str] = (),
    stages: Sequence[str] = tuple(STAGES),
    connections: int = 4,
    progress: Progress = False,
    site: str = SITE,
    patience: Patience = _PATIENT,
) -> DownloadReport:
    """Fetches the published archives that are not there yet into `<archives>/<config>/`.

    A file gets its name when its length and checksum are those of its Zenodo record; until then it
    is `<name>.zip.part`, which the next call goes on with. What came is recorded in `checksums.tsv`.

    Args:
        dataset: The year, `dcase2020` or `2020`.
        archives: Folder of all years' archives.
        machine_types: Fetch these; () fetches all.
        stages: `dev` for development data, `eval` for additional training and evaluation data; ()
            for both.
        connections: Files that are fetched at the same time.
        progress: True for a bar, or a function (see `traffic.Traffic`).
        site: A mirror of zenodo.org with the same paths.
        patience: How long to try.

    Returns:
        What came and what was there.

    Raises:
        ArchiveError: Lists what failed and which files to put where by hand. What came whole stays.
    """
    layout = layout_of(dataset)
    check_machine_types(layout, machine_types)
    if connections < 1:
        raise ArchiveError(f"{connections} connections cannot fetch anything. Allow at least 1")
    folder = Path(archives).expanduser() / layout.config
    wanted = published_archives(layout, folder, machine_types, stages)
    with locked(folder / ".download.lock", f"downloading into {folder}"):
        recorded = read_checksums(folder)
        missing = [archive for archive in wanted if not archive.path.exists()]
        new = [archive for archive in wanted if archive.path.name not in recorded]
        asked = list(dict.fromkeys([*missing, *new]))
        published, notes = _published(asked, missing, site, patience)
        size, there = _sizes(missing, published, site, patience)
        _check_space(folder, size - there)
        faults = Faults()
        # The pool's threads die with the program: Ctrl-C does not wait for a silent server.
        with (
            ThreadPool(min(connections, len(wanted))) as pool,
            Traffic(progress, len(missing), size, there) as traffic,
        ):

            def settle(archive: Archive) -> _Outcome:
                return _settle(archive, recorded, published, site, traffic, patience)

            for outcome in pool.imap_unordered(settle, wanted):
                _note(outcome, folder, site, faults)
    _raise_if_any(faults, folder, [a for a in missing if not a.path.exists()], site)
    fetched = tuple(archive.path for archive in missing)
    kept = tuple(archive.path for archive in wanted if archive not in missing)
    return DownloadReport(folder, fetched, kept, tuple(notes))


def _published(
    asked: Sequence[Archive], missing: Sequence[Archive], site: str, patience: Patience
) -> tuple[dict[Path, Published], list[str]]:
    """What the records tell of the files, asked once a record, and what they do not tell."""
    published = {archive.path: known for archive in asked if (known := noted(archive)).md5}
    notes = []
    with open_session(patience) as session:
        for number in dict.fromkeys(archive.kind.record for archive in asked):
            of_record = [archive for archive in asked if archive.kind.record == number]
            try:
                listed = list_files(session, number, site, patience.timeout)
            except NoFileListError as error:
                notes.append(f"no checksums for record {number} ({error})")
            except requests.RequestException as error:
                # Nothing more can be learned, and files that were put there by hand are enough.
                if not missing:
                    return published, [*notes, f"no checksums: {_unreachable(site, error)}"]
                raise ArchiveError(
                    f"{_unreachable(site, error)}\n{_by_hand(missing, site)}"
                ) from error
            else:
                there = [archive.path for archive in of_record if archive.path.name in listed]
                published |= {path: listed[path.name] for path in there}
                notes += [
                    f"no checksum for {archive.path.name}: record {number} does not list it"
                    for archive in of_record
                    if archive.path not in there
                ]
    return published, notes


def _sizes(
    missing: Sequence[Archive],
    published: Mapping[Path, Published],
    site: str,
    patience: Patience,
) -> tuple[int, int]:
    """Bytes of the missing files as far as they can be known, and bytes of their parts."""
    size = there = 0
    with open_session(patience) as session:
        for archive in missing:
            length = published.get(archive.path, Published()).size
            if length is None:
                # A server that is silent here fails again, and is told of, when the file is due.
                with contextlib.suppress(requests.RequestException):
                    length = length_of(session, address(archive, site), patience.timeout)
            part = part_of(archive.path)
            begun = part.stat().st_size if part.exists() else 0
            size += max(length or 0, begun)
            there += begun
    return size, there


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ArchiveError(
            f"{folder} needs {needed / 1e9:.2f} GB more, {free / 1e9:.2f} GB are free. Make room, "
            "or choose fewer machine types or stages"
        )


def _settle(
    archive: Archive,
    recorded: Mapping[str, Recorded],
    published: Mapping[Path, Published],
    site: str,
    traffic: Traffic,
    patience: Patience,
) -> _Outcome:
    """Fetches an archive that is missing, looks at one that is there."""
    path, expected = archive.path, published.get(archive.path)
    try:
        if not path.exists():
            where = address(archive, site)
            digests = fetch(where, path, expected or Published(), traffic, patience)
            return _Outcome(archive, digests)
        if known := recorded.get(path.name):
            damage = damage_of(path, known, hashes=False)
            return _Outcome(archive, error=WrongFileError(damage) if damage else None)
        return _Outcome(archive, check(path, expected) if expected else None)
    except (WrongFileError, BrokenOffError, OSError) as error:
        return _Outcome(archive, error=error)


def _note(outcome: _Outcome, folder: Path, site: str, faults: Faults) -> None:
    """Records what came and collects what failed."""
    path, error = outcome.archive.path, outcome.error
    where = address(outcome.archive, site)
    try:
        if outcome.digests:
            record(folder, where, path.name, outcome.digests)
    except OSError as unrecorded:
        error = unrecorded
    if error is None:
        return
    if isinstance(error, WrongFileError) and path.exists():
        cure = "Remove it to have it downloaded again"
    elif isinstance(error, WrongFileError):
        cure = f"It came twice and was thrown away; try again later, or look at {where}"
    elif isinstance(error, OSError) and error.errno in _DISK_FULL:
        cure = "Make room and download again: it goes on where it stopped"
    else:
        cure = "Download again: it goes on where it stopped"
    faults.add(str(path), reason(error), cure)


def _raise_if_any(faults: Faults, folder: Path, missing: Sequence[Archive], site: str) -> None:
    try:
        faults.raise_if_any(f"download into {folder}")
    except ArchiveError as error:
        if missing:
            raise ArchiveError(f"{error}\n{_by_hand(missing, site)}") from None
        raise


def _unreachable(site: str, error: requests.RequestException) -> str:
    return f"{site} cannot be reached: {reason(error)}"


def _by_hand(missing: Sequence[Archive], site: str) -> str:
    lines = [f"  {archive.path}  {address(archive, site)}" for archive in missing]
    return "\n".join(["To do it by hand, put these files there, each from its address:", *lines])
