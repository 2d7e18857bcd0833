"""Fetches one file: goes on after breaks, and names it only when its bytes are right."""

import re
import zipfile
from pathlib import Path

import requests
import urllib3

from tfds_dcase.archives import DAMAGE
from tfds_dcase.checksums import Digests, digest
from tfds_dcase.traffic import Traffic
from tfds_dcase.zenodo import Patience, Published, open_session

_CHUNK = 1 << 16


class WrongFileError(Exception):
    """The bytes are not those that were published."""


class BrokenOffError(Exception):
    """A body ended too early, or cannot be continued where it ended."""


class Part:
    """The beginning of a file, beside its target, and the version of the file that it is of.

    The version is the server's ETag, or its Last-Modified where the ETag is weak: bytes of two
    versions must not be joined.
    """

    def __init__(self, target: Path, traffic: Traffic) -> None:
        """Takes what an earlier download left beside `target`."""
        self.path = part_of(target)
        self._version = self.path.with_name(f"{self.path.name}.version")
        self._traffic = traffic

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def version(self) -> str:
        """The version that the bytes are of; empty where the server named none."""
        # Headers are Latin-1 by their standard, which also reads whatever else stands there.
        return self._version.read_text("latin-1").strip() if self._version.exists() else ""

    def begin(self, version: str) -> None:
        """Starts afresh with another version."""
        self.discard()
        self._version.write_text(version, "latin-1")

    def append(self, response: requests.Response, longest: int | None) -> None:
        """Adds a body as it comes, until the file has more than `longest` bytes.

        Raises:
            WrongFileError: It goes on after `longest`.
            BrokenOffError: It ended too early; what came is kept.
            StoppedError: The download was interrupted; what came is kept.
            OSError: It cannot be written.
        """
        with self.path.open("ab", buffering=0) as file:
            try:
                # Undecoded: decoding holds back, and at a break loses, up to a chunk.
                for chunk in response.raw.stream(_CHUNK, decode_content=False):
                    self._traffic.write(file, chunk)
                    # A body without an announced length could fill the disk.
                    if longest is not None and self.size > longest:
                        raise WrongFileError(f"more than the announced {longest} bytes come")
            except urllib3.exceptions.HTTPError as error:
                raise BrokenOffError(
                    f"the transfer broke off at {self.size} bytes ({error})"
                ) from error

    def discard(self) -> None:
        """Throws the bytes away."""
        self._traffic.forget(self.size)
        self.path.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)

    def finish(self, target: Path) -> None:
        """Gives the file its name."""
        self.path.replace(target)
        self._version.unlink(missing_ok=True)


def part_of(target: Path) -> Path:
    """Where the beginning of a file is kept until the rest has come."""
    return target.with_name(f"{target.name}.part")


def fetch(
    where: str, target: Path, published: Published, traffic: Traffic, patience: Patience
) -> Digests:
    """Fetches a file, going on with what an earlier download left.

    Args:
        where: Its address.
        target: Path that it gets when it is whole and right.
        published: What its record tells of it.
        traffic: Counts the bytes.
        patience: How long to try.

    Returns:
        The file's size and checksums.

    Raises:
        WrongFileError: Its length or checksum was wrong twice.
        BrokenOffError: The transfer broke off and got no further.
        requests.RequestException: The server refuses or does not answer.
        OSError: It cannot be written.
    """
    part = Part(target, traffic)
    with open_session(patience) as session:
        for last in (False, True):
            try:
                _receive_whole(session, where, part, published, traffic, patience)
                digests = check(part.path, published)
            except WrongFileError:
                part.discard()
                if last:
                    raise
            else:
                break
    part.finish(target)
    traffic.finish_file()
    return digests


def check(path: Path, published: Published) -> Digests:
    """Reads a file and compares it with what is published.

    Raises:
        WrongFileError: It is another file.
    """
    size = path.stat().st_size
    if published.size not in (None, size):
        raise WrongFileError(f"it has {size} bytes, {published.size} are published")
    digests = digest(path)
    if published.md5 not in (None, digests.md5):
        raise WrongFileError(f"its MD5 is {digests.md5}, {published.md5} is published")
    # A login page of a network has a right length too.
    if published.md5 is None and not _is_zip(path):
        raise WrongFileError(f"its {size} bytes are no zip archive")
    return digests


def _is_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except DAMAGE:
        return False


def _receive_whole(
    session: requests.Session,
    where: str,
    part: Part,
    published: Published,
    traffic: Traffic,
    patience: Patience,
) -> None:
    failures, furthest = 0, part.size
    while published.size is None or part.size != published.size:
        try:
            return _receive(session, where, part, published, patience.timeout)
        except BrokenOffError:
            # Long files break off often on bad lines: only standing still counts.
            failures = 1 if part.size > furthest else failures + 1
            furthest = max(furthest, part.size)
            if failures >= patience.attempts:
                raise
            traffic.pause(min(patience.pause * 2 ** (failures - 1), patience.longest_pause))


def _receive(
    session: requests.Session, where: str, part: Part, published: Published, timeout: float
) -> None:
    headers = _range(part, published)
    begun = part.size
    with session.get(where, headers=headers, stream=True, timeout=timeout) as response:
        total = _total(response)
        if response.status_code == 416 and total == begun:
            return
        if response.status_code == 416 or not _fits(response, part):
            part.discard()
            raise BrokenOffError(f"the server does not go on at byte {begun}")
        if response.status_code not in (200, 206):
            status = f"{response.status_code} {response.reason}"
            raise requests.HTTPError(f"{where} answers {status}")
        if None not in (total, published.size) and total != published.size:
            raise WrongFileError(f"the server sends {total} bytes, {published.size} are published")
        if response.status_code == 200:
            part.begin(_version(response))
        part.append(response, published.size if total is None else total)
        if total is not None and part.size < total:
            raise BrokenOffError(f"the transfer broke off at {part.size} of {total} bytes")


def _range(part: Part, published: Published) -> dict[str, str]:
    """Headers that ask for the rest, where it can be told that it belongs to the beginning."""
    too_long = published.size is not None and part.size > published.size
    if part.size and (too_long or not (part.version or published.md5)):
        part.discard()
    if not part.size:
        return {}
    headers = {"Range": f"bytes={part.size}-"}
    return headers | {"If-Range": part.version} if part.version else headers


def _fits(response: requests.Response, part: Part) -> bool:
    """Whether a 206 holds the bytes that come next, of the same version."""
    if response.status_code != 206:
        return True
    version = _version(response)
    begin = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return (
        begin is not None
        and int(begin[1]) == part.size
        and version in ("", part.version or version)
    )


def _total(response: requests.Response) -> int | None:
    """Length of the whole file as the server tells it."""
    if response.status_code == 200:
        length = response.headers.get("Content-Length", "")
    else:
        length = response.headers.get("Content-Range", "").rpartition("/")[2]
    return int(length) if length.isdecimal() else None


def _version(response: requests.Response) -> str:
    tag = response.headers.get("ETag", "")
    return response.headers.get("Last-Modified", "") if tag.startswith("W/") or not tag else tag
