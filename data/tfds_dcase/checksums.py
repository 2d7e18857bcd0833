"""`checksums.tsv` beside downloaded archives: what came, so that later damage is found."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

from tfds_dcase.archives import check_machine_types
from tfds_dcase.errors import ArchiveError, Faults
from tfds_dcase.layouts import layout_of
from tfds_dcase.regular_files import require_regular_file
from tfds_dcase.zenodo import published_archives

CHECKSUMS = "checksums.tsv"
_CHUNK = 1 << 20


@dataclasses.dataclass(frozen=True)
class Digests:
    """What a file's bytes are.

    Attributes:
        size: Bytes.
        sha256: SHA-256, as TFDS records it.
        md5: MD5, as Zenodo lists it.
    """

    size: int
    sha256: str
    md5: str


@dataclasses.dataclass(frozen=True)
class Recorded:
    """One row of `checksums.tsv`."""

    url: str
    size: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class VerificationReport:
    """What was verified.

    Attributes:
        whole: Archives that are as they were recorded.
        unrecorded: Archives that are there, but of which nothing was recorded.
        absent: Archives that were recorded and are no longer there.
    """

    whole: tuple[Path, ...]
    unrecorded: tuple[Path, ...]
    absent: tuple[Path, ...]


def verify_archives(
    dataset: str | int,
    archives: Path | str,
    machine_types: Sequence[str] = (),
    hashes: bool = False,
) -> VerificationReport:
    """Compares downloaded archives with what was recorded when they came.

    Args:
        dataset: The year, `dcase2020` or `2020`.
        archives: Folder that was downloaded to; the archives lie in its folder `dcase2020`.
        machine_types: Verify these; () verifies all.
        hashes: Compare SHA-256 too, which reads every byte. Sizes are compared always.

    Returns:
        What is whole, unrecorded and absent.

    Raises:
        ArchiveError: The folder is missing, or names each damaged archive.
    """
    layout = layout_of(dataset)
    check_machine_types(layout, machine_types)
    folder = Path(archives).expanduser() / layout.config
    if not folder.is_dir():
        raise ArchiveError(f"{folder} does not exist. Download {layout.config} first")
    recorded, faults = read_checksums(folder), Faults()
    whole, unrecorded, absent = [], [], []
    for archive in published_archives(layout, folder, machine_types, ()):
        path, known = archive.path, recorded.get(archive.path.name)
        if not path.exists():
            absent += [path] if known else []
        elif known is None:
            unrecorded.append(path)
        elif damage := damage_of(path, known, hashes):
            faults.add(str(path), damage, f"Remove it and download it again from {known.url}")
        else:
            whole.append(path)
    faults.raise_if_any(f"archives of {layout.config} in {folder}")
    return VerificationReport(tuple(whole), tuple(unrecorded), tuple(absent))


def damage_of(path: Path, known: Recorded, hashes: bool) -> str:
    """How a file differs from its record; empty where it does not."""
    size = path.stat().st_size
    if size != known.size:
        return f"it has {size} bytes, {known.size} were recorded"
    if hashes and (found := digest(path).sha256) != known.sha256:
        return f"its SHA-256 is {found}, {known.sha256} was recorded"
    return ""


def digest(path: Path) -> Digests:
    """Reads a file once, in constant memory."""
    require_regular_file(path, "an archive")
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha256.update(chunk)
            md5.update(chunk)
            size += len(chunk)
    return Digests(size, sha256.hexdigest(), md5.hexdigest())


def record(folder: Path, url: str, file_name: str, digests: Digests) -> None:
    """Appends a file to `checksums.tsv`, in the form that TFDS reads."""
    # TFDS knows four columns and passes over comments: the MD5 has no other place.
    lines = (
        f"# md5\t{digests.md5}\t{file_name}\n{url}\t{digests.size}\t{digests.sha256}\t{file_name}\n"
    )
    with (folder / CHECKSUMS).open("a", encoding="utf-8") as file:
        file.write(lines)


def read_checksums(folder: Path) -> dict[str, Recorded]:
    """Reads `checksums.tsv` by file name; the last row of a file counts.

    Raises:
        ArchiveError: A row is damaged, or the file cannot be read.
    """
    path, recorded = folder / CHECKSUMS, {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise ArchiveError(
            f"{path} cannot be read ({error}). Permit it, or remove it: the next download checks "
            "the archives and records them again"
        ) from error
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("#"):
            file_name, row = _parsed(line, f"{path}, line {number}")
            recorded[file_name] = row
    return recorded


def _parsed(line: str, where: str) -> tuple[str, Recorded]:
    try:
        url, size, sha256, file_name = line.split("\t")
        return file_name, Recorded(url, int(size), sha256)
    except ValueError as error:
        raise ArchiveError(
            f"{where} is damaged. Remove the line: the next download checks its archive and records "
            "it again"
        ) from error
