"""Whatever is no regular file is refused before it is opened, in one sentence."""

import os
import socket
from pathlib import Path

import pytest
from tfds_dcase.errors import ArchiveError
from tfds_dcase.regular_files import require_regular_file


def test_a_file_and_a_link_to_one_pass(tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("a,b\n")
    (tmp_path / "link.csv").symlink_to(file)
    require_regular_file(file, "a table")
    require_regular_file(tmp_path / "link.csv", "a table")


def test_what_would_block_or_is_no_file_is_named_with_its_kind(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "to_pipe.csv").symlink_to(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "s"))
    kinds = {
        "pipe.csv": "a pipe",
        "to_pipe.csv": "a pipe",
        "folder.csv": "a folder",
        "s": "a socket",
    }
    for name, kind in kinds.items():
        with pytest.raises(ArchiveError, match=f"{name} is {kind}, not a file: name a table"):
            require_regular_file(tmp_path / name, "a table")
    listening.close()
    with pytest.raises(ArchiveError, match="null is a device"):
        require_regular_file(Path("/dev/null"), "a table")


def test_a_missing_file_and_a_link_that_leads_nowhere_do_not_exist(tmp_path: Path) -> None:
    (tmp_path / "broken.csv").symlink_to(tmp_path / "gone.csv")
    for name in ("gone.csv", "broken.csv"):
        with pytest.raises(FileNotFoundError, match=f"{name} does not exist: name a table"):
            require_regular_file(tmp_path / name, "a table")
