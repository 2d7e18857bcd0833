"""Zenodo: which archives are published, at which address, how long and with which checksum."""

import dataclasses
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from tfds_dcase.archives import Archive
from tfds_dcase.errors import ArchiveError
from tfds_dcase.layouts import STAGES, YearLayout

SITE = "https://zenodo.org"
_WORTH_REPEATING = (429, 500, 502, 503, 504)
_LONGEST_LIST = 16 << 20

# As the records' pages showed them on 2026-10-03, by record: they hold where a record's list cannot be had.
_NOTED_MD5 = {
    20151556: {
        "eval_data_BlowerDustCollector_train.zip": "e79342948772cf51e50ff601cd9621f3",
        "eval_data_Sander_train.zip": "6cbcfbc65a09c4f3d00b9a55c50502ec",
        "eval_data_SewingMachine_train.zip": "74d08cacba3da88753badd69d19e577b",
        "eval_data_ToothBrush_train.zip": "6fa5f81796b5d37b3ed24bb8eff2ea25",
        "eval_data_ToyDrone_train.zip": "af3e4040ef7c67d7ee920608d0c38d82",
    },
    20437238: {
        "eval_data_BlowerDustCollector_test.zip": "ec90d56f189e84e6430fb2878c59cb84",
        "eval_data_Sander_test.zip": "05f81c9a80e91c7b3cea15f8e8559b44",
        "eval_data_SewingMachine_test.zip": "f0a1a96b48006c301e8cec25e9214046",
        "eval_data_ToothBrush_test.zip": "987395506fbb48c570d5d26babcab05e",
        "eval_data_ToyDrone_test.zip": "b36102371c188b630d201d443a00bab2",
    },
}


class NoFileListError(Exception):
    """A record's file list is not given, or cannot be understood."""


@dataclasses.dataclass(frozen=True)
class Patience:
    """How long a server is asked again.

    Attributes:
        attempts: Requests, or transfers that get no further, before a file is given up.
        pause: Seconds of the first pause; each further one is twice as long.
        longest_pause: Seconds of the longest one, also where the server asks for more.
        timeout: Seconds that a connection, or the next byte, may take.
    """

    attempts: int = 5
    pause: float = 1.0
    longest_pause: float = 120.0
    timeout: float = 60.0


@dataclasses.dataclass(frozen=True)
class Published:
    """What a record tells of a file; None where it does not."""

    size: int | None = None
    md5: str | None = None


def published_archives(
    layout: YearLayout, folder: Path, machine_types: Sequence[str], stages: Sequence[str]
) -> list[Archive]:
    """The year's archives as they are to lie in `folder`, whether they are there or not.

    Args:
        layout: The year.
        folder: Where they belong.
        machine_types: Only these; () for all.
        stages: `dev`, `eval`; () for both.

    Raises:
        ArchiveError: A stage is unknown, or a machine type has no archive in these stages.
    """
    for stage in stages:
        if stage not in STAGES:
            raise ArchiveError(f"unknown stage {stage!r}. Choose of {', '.join(STAGES)}")
    archives = [
        Archive(folder / kind.file_name(name), kind, name)
        for kind in layout.kinds
        if not stages or kind.stage in stages
        for name in kind.machine_types
        if not machine_types or name in machine_types
    ]
    there = {archive.machine_type for archive in archives}
    if absent := [name for name in machine_types if name not in there]:
        raise ArchiveError(
            f"{layout.config} has no {' or '.join(stages or STAGES)} archive of {', '.join(absent)}. Choose "
            "other stages or machine types"
        )
    return archives


def address(archive: Archive, site: str) -> str:
    """Where an archive is published, on `site` instead of zenodo.org."""
    return site.rstrip("/") + archive.kind.address(archive.machine_type).removeprefix(SITE)


def noted(archive: Archive) -> Published:
    """What is known of an archive without asking: the MD5 of those of 2026's evaluation machine types."""
    of_record = _NOTED_MD5.get(archive.kind.record, {})
    return Published(md5=of_record.get(archive.path.name))


def open_session(patience: Patience) -> requests.Session:
    """A session that repeats refused connections, 429 and 5xx with growing pauses."""

    class Retries(Retry):
        def parse_retry_after(self, retry_after: str) -> float:
            # Servers may ask for a day, or for nonsense.
            try:
                return min(super().parse_retry_after(retry_after), patience.longest_pause)
            except urllib3.exceptions.InvalidHeader:
                return patience.pause

        def get_backoff_time(self) -> float:
            return min(super().get_backoff_time(), patience.longest_pause)

    retries = Retries(
        total=patience.attempts - 1,
        backoff_factor=patience.pause,
        status_forcelist=_WORTH_REPEATING,
        raise_on_status=False,
    )
    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=retries))
    # Zenodo asks programs for a name of their own and slows the anonymous ones down. Compressed
    # bodies could neither be continued nor compared with the published length.
    session.headers.update(
        {"User-Agent": f"tfds_dcase requests/{requests.__version__}", "Accept-Encoding": "identity"}
    )
    return session


def list_files(
    session: requests.Session, record: int, site: str, timeout: float
) -> dict[str, Published]:
    """Asks for the files of a record, by name.

    Understands `files` as a list (Zenodo), `entries` as a list or by name (InvenioRDM), and
    `filename` and `filesize` for `key` and `size` (Zenodo's older form).

    Raises:
        NoFileListError: The answer is no file list.
        requests.RequestException: There is no answer.
    """
    where = f"{site.rstrip('/')}/api/records/{record}"
    with session.get(where, stream=True, timeout=timeout) as response:
        try:
            response.raise_for_status()
            listed = json.loads(response.raw.read(_LONGEST_LIST, decode_content=True))
            return dict(_published(_entries(listed)))
        except requests.HTTPError as error:
            raise NoFileListError(f"{where}: {response.status_code} {response.reason}") from error
        except (urllib3.exceptions.HTTPError, ValueError, RecursionError) as error:
            raise NoFileListError(f"{where}: {error}") from error


def length_of(session: requests.Session, where: str, timeout: float) -> int:
    """The length that a server announces, in bytes; 0 where it does not.

    Raises:
        requests.RequestException: There is no answer.
    """
    response = session.head(where, allow_redirects=True, timeout=timeout)
    announced = response.headers.get("Content-Length", "")
    return int(announced) if response.ok and announced.isdecimal() else 0


def reason(error: Exception) -> str:
    """What a failed request says, without the retries wrapped around it."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    inner = error.args[0] if error.args else error
    return str(getattr(inner, "reason", inner)) or type(error).__name__


def _entries(listed: Any) -> Iterable[Any]:
    files = listed.get("files", listed) if isinstance(listed, dict) else None
    entries = files.get("entries") if isinstance(files, dict) else files
    if isinstance(entries, dict):
        entries = list(entries.values())
    if not isinstance(entries, list):
        raise ValueError("the answer has no list of files")
    return entries


def _published(entries: Iterable[Any]) -> Iterator[tuple[str, Published]]:
    for entry in entries:
        if isinstance(entry, Mapping):
            name = entry.get("key", entry.get("filename"))
            size = entry.get("size", entry.get("filesize"))
            md5 = re.fullmatch(r"(?:md5:)?([0-9a-fA-F]{32})", str(entry.get("checksum")))
            # Some versions write sizes as 89364.0.
            known = (
                isinstance(size, int | float) and not isinstance(size, bool) and size == size // 1
            )
            yield (
                str(name),
                Published(int(size) if known else None, md5[1].lower() if md5 else None),
            )
