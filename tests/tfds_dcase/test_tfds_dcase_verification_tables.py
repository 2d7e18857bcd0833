"""A verification finds damaged and wrong tables beside the records."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tfds_dcase
from tfds_dcase import verification
from tfds_dcase.verification import Verification, verify

from tests.tfds_dcase.fan_archives import (
    FOLDER,
    TRAIN,
    anomalous_clip,
    noise,
    prepared,
    training_clip,
)

CLIPS = {training_clip(n): noise(n, 90) for n in range(6)} | {
    anomalous_clip(n): noise(9 + n, 90) for n in range(4)
}


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("whole"), CLIPS)


@pytest.fixture
def data_dir(whole: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    shutil.copytree(whole, tmp_path / "data")
    return tmp_path / "data"


def fault_kinds(verified: Verification) -> set[str]:
    return {fault.kind for fault in verified.faults}


INDEX_FAULTS: dict[str, tuple[Callable[[list[str]], list[str]], str]] = {
    "another label": (
        lambda rows: [rows[0], rows[1].replace(",anomaly,", ",normal,"), *rows[2:]],
        "label is 'anomaly', listed as 'normal'",
    ),
    "a row is missing": (lambda rows: rows[:-1], "is not listed"),
    "a row too many": (
        lambda rows: [*rows, rows[-1].replace(f"{TRAIN},5,", f"{TRAIN},6,")],
        "has no record",
    ),
    "a split too many": (
        lambda rows: [*rows, rows[-1].replace(f"{TRAIN},5,", "dev_train_pump,0,")],
        "has no record",
    ),
    "a row twice": (lambda rows: [*rows, rows[-1]], f"lists record 5 of {TRAIN} twice"),
    "rows exchanged": (
        lambda rows: [
            row.replace(f"{TRAIN},5,", f"{TRAIN},50,")
            .replace(f"{TRAIN},4,", f"{TRAIN},5,")
            .replace(f"{TRAIN},50,", f"{TRAIN},4,")
            for row in rows
        ],
        "clip_id is",
    ),
}


@pytest.mark.parametrize("fault", INDEX_FAULTS)
def test_an_index_that_does_not_fit_the_records_is_told_row_by_row(
    fault: str, data_dir: Path
) -> None:
    spoil, expected = INDEX_FAULTS[fault]
    index = data_dir / FOLDER / "clips.csv"
    index.write_text("\n".join(spoil(index.read_text().splitlines())) + "\n")
    verified = verify(2020, data_dir)
    assert fault_kinds(verified) == {verification.INDEX_DIFFERS}
    assert expected in verified.faults[0].what
    assert {split.content for split in verified.splits} == {"as built"}


@pytest.mark.parametrize(
    "content", [None, b"", b"split,position\na,b\n", b"\xff\xfe\x00", b"split\n\x00\n"]
)
@pytest.mark.parametrize("name", ["clips.csv", "archives.json"])
def test_a_damaged_table_is_one_fault_and_the_records_are_read(
    name: str, content: bytes | None, data_dir: Path
) -> None:
    (data_dir / FOLDER / name).unlink()
    if content is not None:
        (data_dir / FOLDER / name).write_bytes(content)
    verified = verify(2020, data_dir)
    assert sum(split.clips for split in verified.splits) == 10
    state = "unknown" if name == "archives.json" else "as built"
    assert {split.content for split in verified.splits} == {state}
    assert [fault.where for fault in verified.faults] == [name]


def test_splits_that_were_built_and_are_gone_or_were_never_built_are_told(data_dir: Path) -> None:
    path = data_dir / FOLDER / "archives.json"
    stored = json.loads(path.read_text())
    stored["splits"]["dev_train_pump"] = stored["splits"].pop(TRAIN)
    path.write_text(json.dumps(stored))
    faults = {fault.where: fault.what for fault in verify(2020, data_dir).faults}
    assert faults == {TRAIN: "was not built", "dev_train_pump": "was built, but is gone"}


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"name": 1', b"\xff"])
@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
def test_a_dataset_that_tfds_cannot_open_is_told_with_the_cure(
    name: str, content: bytes | None, data_dir: Path
) -> None:
    (data_dir / FOLDER / name).unlink()
    if content is not None:
        (data_dir / FOLDER / name).write_bytes(content)
    with pytest.raises(tfds_dcase.ArchiveError, match=r"(?s)cannot be opened.*--rebuild"):
        verify(2020, data_dir)


def test_an_unprepared_dataset_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(tfds_dcase.ArchiveError, match=r"tfds-dcase prepare --dataset=2021"):
        verify(2021, tmp_path)
