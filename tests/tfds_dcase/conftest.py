"""A local server of archives for the tests of downloads."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tfds_dcase.archive_server import FAN, PUMP, ArchiveServer, Place, archive


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A server with two archives, and the folder they are fetched into."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ArchiveServer({FAN: archive("fan"), PUMP: archive("pump", 1)}) as server:
        yield Place(server, tmp_path / "archives")
