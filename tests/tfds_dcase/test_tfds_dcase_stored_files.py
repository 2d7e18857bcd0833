"""What happens to a prepared dataset after its build is told when it is opened, read or prepared again."""

import csv
import grp
import importlib.util
import io
import json
import os
import pwd
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import tfds_dcase
from tfds_dcase.locks import locked

from asd_jax.data.clips import ClipSource, all_clips

FOLDER = f"tfds_dcase/dcase2020/{tfds_dcase.Builder.VERSION}"
Change = Callable[[Path], object]


def pack(folder: Path, machine_type: str = "fan", clips: int = 4, level: int = 9) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"dev_data_{machine_type}.zip", "w") as archive:
        for n in range(clips):
            wav = io.BytesIO()
            soundfile.write(wav, np.full(200 + n, level, np.int16), 16000, format="WAV")
            archive.writestr(f"{machine_type}/train/normal_id_00_{n:08}.wav", wav.getvalue())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    pack(folder / "archives", clips=4)
    pack(folder / "archives", "pump", clips=4, level=5)
    tfds_dcase.prepare(2020, folder / "archives", folder)
    return folder


@pytest.fixture
def copied(built: Path, tmp_path: Path) -> Path:
    return shutil.copytree(built, tmp_path / "copy")


def shard(folder: Path, machine_type: str = "fan") -> Path:
    (path,) = folder.glob(f"*dev_train_{machine_type}.array_record*")
    return path


def flip(folder: Path) -> None:
    content = bytearray(shard(folder).read_bytes())
    content[len(content) // 2] ^= 0x40
    shard(folder).write_bytes(content)


def swap(folder: Path) -> None:
    fan, pump = shard(folder).read_bytes(), shard(folder, "pump").read_bytes()
    shard(folder).write_bytes(pump)
    shard(folder, "pump").write_bytes(fan)


def cut(folder: Path) -> None:
    shard(folder).write_bytes(shard(folder).read_bytes()[:-100])


def shorter_record(folder: Path) -> None:
    path = folder / "files.json"
    path.write_text(path.read_text().replace('"bytes": ', '"bytes": 1'))


def read_all(folder: Path, clips: list[tfds_dcase.ClipInfo]) -> None:
    source = ClipSource("dcase2020", str(folder), clips, check_content=True)
    for i in range(len(source)):
        source[i]


@pytest.mark.parametrize(
    ("change", "opening", "again"),
    [
        (
            lambda f: shard(f).unlink(),
            "fan.array_record.* is missing",
            "fan.array_record.* missing",
        ),
        (cut, "fan.* bytes, built were", "fan.* bytes, built were"),
        (flip, "", "fan.* has another content"),
        (swap, "", "fan.*another content.*pump.*another content"),
        (lambda f: (f / "features.json").write_text(""), "features.json", "features.json"),
        (lambda f: (f / "features.json").write_text("[]"), "features.json", "features.json"),
        (lambda f: (f / "dataset_info.json").write_text(""), "damaged", "damaged"),
        (lambda f: (f / "files.json").write_text("{"), "files.json is damaged", "files.json"),
        (lambda f: (f / "files.json").write_text('{"../x": 1}'), "files.json is damaged", "files"),
        (shorter_record, "bytes, built were", "bytes, built were"),
        (lambda f: (f / "files.json").write_text("{}"), "files.json.*lacks", "files.json.*lacks"),
        (lambda f: (f / "archives.json").write_text("{}"), "archives.json", "archives.json"),
    ],
    ids=[
        "missing",
        "cut",
        "flipped",
        "exchanged",
        "empty-features",
        "no-features",
        "info",
        "record",
        "path",
        "sizes",
        "nothing-recorded",
        "provenance",
    ],
)
def test_damage_is_told_when_the_dataset_is_opened_read_or_prepared_again(
    copied: Path, change: Change, opening: str, again: str
) -> None:
    change(copied / FOLDER)
    if opening:
        with pytest.raises(tfds_dcase.ArchiveError, match=f"(?s){opening}.*--rebuild"):
            tfds_dcase.load(2020, copied)
    else:
        clips = [clip for clip in all_clips("dcase2020", str(copied)) if "fan" in clip.split]
        with pytest.raises(tfds_dcase.ArchiveError, match=r"(?s)fan.*--rebuild") as found:
            read_all(copied, clips)
        assert "normal_id_00" in str(found.value) or "dev_train_fan" in str(found.value)
    with pytest.raises(tfds_dcase.ArchiveError, match=f"(?s){again}.*--rebuild"):
        tfds_dcase.prepare(2020, copied / "archives", copied)
    tfds_dcase.prepare(2020, copied / "archives", copied, rebuild=True)
    tfds_dcase.prepare(2020, copied / "archives", copied)


def exchanged(text: str, column: str, value: str) -> str:
    rows = list(csv.DictReader(io.StringIO(text)))
    rows[0][column] = value
    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return table.getvalue()


CELLS = {
    "label": "anomaly",
    "domain": "target",
    "section": "id_06",
    "machine_type": "pump",
    "split": "dev_train_pump",
    "position": "-1",
    "clip_id": "dcase2020/dev/fan/train/normal_id_00_00000009.wav",
    "attributes": "vel_6",
    "sample_rate": "8000",
    "samples": "999",
    "content_hash": "0" * 16,
}
# What is found without any digest of the index, as in data that an earlier version prepared.
FOUND_ANYHOW = {"split", "position", "clip_id", "content_hash"}
WHOLE = {
    "cut": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "head": lambda text: text.splitlines()[0] + "\n",
    "zeros": lambda text: "\0" * len(text),
    "double": lambda text: text + text.splitlines()[1] + "\n",
    "number": lambda text: text.replace(",16000,", ",fast,"),
    "word": lambda text: text.replace(",normal,", ",fine,"),
}


@pytest.mark.parametrize("recorded", [True, False], ids=["digest", "no-digest"])
@pytest.mark.parametrize("case", [*CELLS, *WHOLE])
def test_an_index_that_says_something_else_than_the_records_is_refused_and_written_again(
    copied: Path, case: str, recorded: bool
) -> None:
    """A changed label would give another AUC without a word."""
    index = copied / FOLDER / "clips.csv"
    built = index.read_text()
    if not recorded:
        record = json.loads((copied / FOLDER / "files.json").read_text())
        del record["clips.csv"]
        (copied / FOLDER / "files.json").write_text(json.dumps(record))
    index.write_text(exchanged(built, case, CELLS[case]) if case in CELLS else WHOLE[case](built))
    if recorded or case in WHOLE or case in FOUND_ANYHOW:
        with pytest.raises(tfds_dcase.ArchiveError, match=r"clips.csv.*Remove it and run"):
            tfds_dcase.load(2020, copied)
    with pytest.raises(tfds_dcase.ArchiveError, match=r"clips.csv.*Remove it and run"):
        tfds_dcase.prepare(2020, copied / "archives", copied)
    index.unlink()
    tfds_dcase.prepare(2020, copied / "archives", copied)
    assert index.read_text() == built
    assert tfds_dcase.load(2020, copied)


def test_samples_that_another_build_put_there_are_found_when_they_are_scored(
    copied: Path, tmp_path: Path
) -> None:
    """Same clips, same sizes, sound records: only the index knows better."""
    pack(tmp_path / "archives", clips=4, level=7)
    tfds_dcase.prepare(2020, tmp_path / "archives", tmp_path)
    shard(copied / FOLDER).write_bytes(shard(tmp_path / FOLDER).read_bytes())
    clips = [clip for clip in all_clips("dcase2020", str(copied)) if "fan" in clip.split]
    with pytest.raises(tfds_dcase.ArchiveError, match=r"\d\.wav, record 0 of .*samples are not"):
        read_all(copied, clips)


def test_a_dataset_that_was_prepared_before_there_was_a_record_gets_one(copied: Path) -> None:
    record = copied / FOLDER / "files.json"
    there = json.loads(record.read_text())
    record.unlink()
    assert tfds_dcase.load(2020, copied)
    tfds_dcase.prepare(2020, copied / "archives", copied)
    assert json.loads(record.read_text()) == there


def test_two_builds_of_the_same_archives_give_the_same_records(built: Path, tmp_path: Path) -> None:
    tfds_dcase.prepare(2020, built / "archives", tmp_path)
    for path in (built / FOLDER).iterdir():
        assert path.read_bytes() == (tmp_path / FOLDER / path.name).read_bytes(), path.name


def test_a_user_without_a_name_prepares_a_dataset(
    built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container that runs under any number."""

    def unknown(number: int) -> Any:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(grp, "getgrgid", unknown)
    tfds_dcase.prepare(2020, built / "archives", tmp_path)
    assert len(all_clips("dcase2020", str(tmp_path))) == 8


def test_the_lock_of_another_user_is_held_by_reading_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a folder that all may write to, a lock file belongs to whoever came first."""
    lock, opened = tmp_path / "a.lock", os.open
    lock.touch()

    def refusing(path: Any, flags: int, *rest: Any, **options: Any) -> int:
        if Path(path) == lock and flags & os.O_RDWR:
            raise PermissionError(13, "Permission denied", path)
        return opened(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refusing)
    with (
        locked(lock, "building"),
        pytest.raises(tfds_dcase.ArchiveError, match="another process is building"),
        locked(lock, "building"),
    ):
        pass


def test_a_bucket_that_cannot_be_reached_is_one_sentence() -> None:
    """Its reader is no dependency: most users have no bucket."""
    if importlib.util.find_spec("gcsfs"):
        pytest.skip("the package that reads such buckets is installed")
    with pytest.raises(tfds_dcase.ArchiveError, match=r"cannot be reached.*pip install gcsfs"):
        tfds_dcase.load(2020, "gs://bucket/datasets")
