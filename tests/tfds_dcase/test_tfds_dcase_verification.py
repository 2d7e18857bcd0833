"""A verification finds each way in which a dataset is not what was built, and audio that is odd."""

import shutil
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import tfds_dcase
from array_record.python.array_record_data_source import ArrayRecordDataSource
from array_record.python.array_record_module import ArrayRecordReader, ArrayRecordWriter
from tensorflow_datasets.proto import tf_example_pb2
from tfds_dcase import odd_audio, records, verification
from tfds_dcase.verification import Verification, verify

from tests.tfds_dcase.fan_archives import (
    FOLDER,
    SECOND,
    SHARD,
    TEST,
    TRAIN,
    anomalous_clip,
    noise,
    pack,
    prepared,
    training_clip,
)

CLIPS = {training_clip(n): noise(n) for n in range(6)} | {
    anomalous_clip(n): noise(9 + n) for n in range(4)
}


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepared(tmp_path_factory.mktemp("whole"), CLIPS)


@pytest.fixture
def data_dir(whole: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    shutil.copytree(whole, tmp_path / "data")
    return tmp_path / "data"


def kinds(verified: Verification) -> dict[str, int]:
    found = [finding.kind for finding in verified.faults + verified.remarks]
    return {kind: found.count(kind) for kind in found}


def states(verified: Verification) -> dict[str, tuple[int, str]]:
    return {split.name: (split.clips, split.content) for split in verified.splits}


def test_a_whole_dataset_has_neither_faults_nor_remarks(whole: Path) -> None:
    seen: list[tuple[str, int, int, int]] = []
    verified = verify(2020, whole, progress=lambda *state: seen.append(state))
    assert (verified.faults, verified.remarks) == ((), ())
    assert states(verified) == {TEST: (4, "as built"), TRAIN: (6, "as built")}
    assert verified.splits[1].seconds == 12
    assert (verified.splits[1].shortest, verified.splits[1].longest) == (2, 2)
    assert seen[-1] == ("verifying", 10, 10, 10 * 2 * SECOND * 2)
    assert "dev_train_fan      6   0.00    2.00 s   2.00 s  as built" in str(verified)
    assert str(verified).endswith("no faults\nno remarks")


def test_two_channels_are_verified_too(tmp_path: Path) -> None:
    names = [f"fan/{p}/section_00_source_{p}_normal_0000.wav" for p in ("train", "test")]
    clips = {name: noise(n, channels=2) for n, name in enumerate(names)}
    clips[names[1]][:, 1] = 0
    verified = verify(2026, prepared(tmp_path, clips, "dcase2026"))
    assert not verified.faults
    (remark,) = verified.remarks
    assert (remark.kind, remark.what) == (odd_audio.SILENCE, "channel 2: all samples are 0")
    assert names[1] in remark.where


def flip(folder: Path) -> None:
    content = bytearray((folder / SHARD).read_bytes())
    content[3 * 2 * 2 * SECOND] ^= 4
    (folder / SHARD).write_bytes(content)


def test_a_flipped_bit_is_one_record_with_its_place_and_hides_no_other(data_dir: Path) -> None:
    flip(data_dir / FOLDER)
    verified = verify(2020, data_dir)
    assert kinds(verified) == {verification.UNREADABLE: 1, verification.CONTENT: 1}
    fault = verified.faults[0]
    row = tfds_dcase.read_index(data_dir / FOLDER)[4 + 2]
    assert fault.where == f"{row.clip_id} (record 2 of {TRAIN}), {SHARD}"
    assert "hash mismatch" in fault.what
    assert states(verified) == {TEST: (4, "as built"), TRAIN: (5, "differs")}


def cut(folder: Path) -> None:
    (folder / SHARD).write_bytes((folder / SHARD).read_bytes()[:200_000])


def zeros(folder: Path) -> None:
    (folder / SHARD).write_bytes(bytes((folder / SHARD).stat().st_size))


def nothing(folder: Path) -> None:
    (folder / SHARD).write_bytes(b"")


def gone(folder: Path) -> None:
    (folder / SHARD).unlink()


@pytest.mark.parametrize("spoil", [cut, zeros, nothing, gone])
def test_a_lost_shard_is_one_fault_and_the_other_split_is_read(
    spoil: Callable[[Path], None], data_dir: Path
) -> None:
    spoil(data_dir / FOLDER)
    verified = verify(2020, data_dir)
    assert kinds(verified) == {verification.UNREADABLE: 1, verification.CONTENT: 1}
    assert verified.faults[0].where == f"records 0 to 5 of {TRAIN}, {SHARD}"
    assert verified.faults[1].what == "6 clips were built, 0 of 6 can be read"
    assert states(verified) == {TEST: (4, "as built"), TRAIN: (0, "differs")}


def rewrite(folder: Path, change: Callable[[list[bytes]], Iterable[bytes]]) -> None:
    """Writes the training shard anew, with checksums that fit."""
    reader = ArrayRecordReader(str(folder / SHARD))
    stored = reader.read(list(range(reader.num_records())))
    reader.close()
    writer = ArrayRecordWriter(str(folder / SHARD), "group_size:1,uncompressed")
    for record in change(stored):
        writer.write(record)
    writer.close()


def one_sample_changed(stored: list[bytes]) -> Iterable[bytes]:
    example = tf_example_pb2.Example.FromString(stored[3])
    value = example.features.feature["waveform"].bytes_list
    value.value[0] = b"\x01\x02" + value.value[0][2:]
    return [*stored[:3], example.SerializeToString(), *stored[4:]]


def test_a_changed_sample_is_found_by_each_of_the_three_comparisons(data_dir: Path) -> None:
    rewrite(data_dir / FOLDER, one_sample_changed)
    verified = verify(2020, data_dir)
    three = (verification.CHANGED, verification.INDEX_DIFFERS, verification.CONTENT)
    assert kinds(verified) == dict.fromkeys(three, 1)
    assert all(f"(record 3 of {TRAIN})" in fault.where for fault in verified.faults[:2])
    assert "content_hash is" in verified.faults[1].what


def without_label(stored: list[bytes]) -> Iterable[bytes]:
    example = tf_example_pb2.Example.FromString(stored[3])
    del example.features.feature["label"]
    return [*stored[:3], example.SerializeToString(), *stored[4:]]


def no_example(stored: list[bytes]) -> Iterable[bytes]:
    return [*stored[:3], b"\xff" * 99, *stored[4:]]


def odd_bytes(stored: list[bytes]) -> Iterable[bytes]:
    example = tf_example_pb2.Example.FromString(stored[3])
    example.features.feature["waveform"].bytes_list.value[0] = b"abc"
    return [*stored[:3], example.SerializeToString(), *stored[4:]]


@pytest.mark.parametrize("change", [without_label, no_example, odd_bytes])
def test_foreign_records_are_unreadable_and_do_not_end_the_verification(
    change: Callable[[list[bytes]], Iterable[bytes]], data_dir: Path
) -> None:
    rewrite(data_dir / FOLDER, change)
    verified = verify(2020, data_dir)
    assert kinds(verified) == {verification.UNREADABLE: 1, verification.CONTENT: 1}
    assert f"(record 3 of {TRAIN})" in verified.faults[0].where
    assert states(verified)[TRAIN] == (5, "differs")


def test_a_record_written_twice_in_place_of_another_is_found(data_dir: Path) -> None:
    rewrite(data_dir / FOLDER, lambda stored: [*stored[:5], stored[0]])
    found = kinds(verify(2020, data_dir))
    assert found[verification.CONTENT] == found[verification.INDEX_DIFFERS] == 1


def test_each_record_is_read_once(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    original = ArrayRecordDataSource.__getitem__

    def counted(source: ArrayRecordDataSource, key: int) -> bytes:
        read.append(key)
        return original(source, key)

    monkeypatch.setattr(ArrayRecordDataSource, "__getitem__", counted)
    verify(2020, whole)
    assert sorted(read) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 5]


def test_waveforms_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_dir = prepared(tmp_path, {training_clip(n): noise(n, 20 * SECOND) for n in range(30)})
    monkeypatch.setattr(records.os, "cpu_count", lambda: 1)
    tracemalloc.start()
    verify(2020, data_dir)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2 * 20 * SECOND


def test_tfrecord_datasets_are_verified_and_a_damaged_shard_ends_at_the_damage(
    tmp_path: Path,
) -> None:
    pytest.importorskip("tensorflow")
    pack(tmp_path / "archives" / "dev_data_fan.zip", CLIPS)
    tfds_dcase.prepare(2020, tmp_path / "archives", tmp_path, file_format="tfrecord")
    assert not verify(2020, tmp_path).faults
    shard = tmp_path / FOLDER / SHARD.replace("array_record", "tfrecord")
    content = bytearray(shard.read_bytes())
    content[3 * 2 * 2 * SECOND] ^= 4
    shard.write_bytes(content)
    verified = verify(2020, tmp_path)
    assert verified.faults[0].where == f"records 2 to 5 of {TRAIN}, {shard.name}"
    assert states(verified) == {TEST: (4, "as built"), TRAIN: (2, "differs")}
