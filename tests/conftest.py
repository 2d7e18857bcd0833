"""Fixtures for all tests: where the reference data lie."""

import os
from pathlib import Path

import pytest
from absl import flags


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the reference data; the test is skipped where it is absent."""
    folder = Path(os.environ.get("ASD_SHARED", Path(__file__).parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no reference data in {folder} (set ASD_SHARED)")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _parsed_flags() -> None:
    # Grain reads absl flags, which only a launcher's main parses.
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()
