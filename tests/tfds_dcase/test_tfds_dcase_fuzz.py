"""No archive and no clip, however damaged, ends in anything but an error that names it.

`ASD_FUZZ=10` tries ten times as many mutants, other ones too.
"""

import collections
import os
import random
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from tfds_dcase.archives import find_archives
from tfds_dcase.clips import Scan, scan_archives
from tfds_dcase.errors import ArchiveError
from tfds_dcase.labels import COLUMNS
from tfds_dcase.layouts import LAYOUTS
from tfds_dcase.reading import ArchiveReader, Unreadable
from tfds_dcase.verification import verify
from tfds_dcase.waveforms import WaveformError, decode_wav

from tests.tfds_dcase import mutants
from tests.tfds_dcase.fan_archives import (
    FOLDER,
    SHARD,
    Waveform,
    anomalous_clip,
    noise,
    prepared,
    training_clip,
    wav,
)

TIMES = int(os.environ.get("ASD_FUZZ", "1"))
LONGEST_SECONDS = 10
CLIPS_2020 = {training_clip(n): wav(noise(n, 200)) for n in range(2)} | {
    anomalous_clip(0): wav(noise(2, 300))
}
CLIPS_2023 = {
    "valve/train/section_00_source_train_normal_0000_pat_00.wav": wav(noise(3, 200)),
    "valve/test/section_00_target_test_anomaly_0000.wav": wav(noise(4, 250)),
    "valve/attributes_00.csv": b"file_name,d1p,d1v\n"
    b"valve/test/section_00_target_test_anomaly_0000.wav,pat,03\n",
}
WHOLE = [
    (dataset, name, members, method)
    for dataset, name, members in (
        ("dcase2020", "dev_data_fan.zip", CLIPS_2020),
        ("dcase2023", "dev_valve.zip", CLIPS_2023),
    )
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
]

_watched = False


def _refuse_writing(event: str, arguments: tuple[object, ...]) -> None:
    writing = event in ("os.mkdir", "os.rename", "os.remove", "os.symlink", "os.link")
    if event == "open" and isinstance(arguments[2], int):
        writing = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    if _watched and writing:
        raise AssertionError(f"{event} {arguments}")


@pytest.fixture
def read_only() -> Iterator[Callable[[bool], None]]:
    """A switch that makes each change of the file system fail the test."""
    sys.addaudithook(_refuse_writing)

    def watch(watched: bool) -> None:
        global _watched
        _watched = watched

    yield watch
    watch(False)


def scanned(dataset: str, folder: Path) -> Scan | str:
    """The clips of an archive, or why it is refused."""
    layout = LAYOUTS[dataset]
    try:
        found = find_archives(layout, folder)
        assert found is not None
        return scan_archives(layout, found)
    except ArchiveError as error:
        return str(error)


def outcome_of_archive(dataset: str, folder: Path) -> str:
    """Reads all of an archive as a build does."""
    scan = scanned(dataset, folder)
    if isinstance(scan, str):
        assert str(folder) in scan
        return "refused by its names"
    unreadable = 0
    with ArchiveReader(scan.clips[0].archive, LAYOUTS[dataset].channels) as reader:
        for clip in scan.clips:
            heard = reader.read(clip)
            if isinstance(heard, Unreadable):
                assert heard.what
                assert heard.cure
                unreadable += 1
            else:
                assert heard.waveform.dtype == np.int16
                assert 0 < len(heard.waveform) <= clip.size // 2
    return "clips refused" if unreadable else "read"


def tried(
    name: str,
    content: bytes,
    dataset: str,
    folder: Path,
    watch: Callable[[bool], None],
) -> str:
    (folder / name).write_bytes(content)
    begin = time.perf_counter()
    watch(True)
    outcome = outcome_of_archive(dataset, folder)
    watch(False)
    assert time.perf_counter() - begin < LONGEST_SECONDS
    return outcome


def test_mutated_archives_are_read_or_refused_and_nothing_is_written(
    tmp_path: Path, read_only: Callable[[bool], None]
) -> None:
    outcomes: collections.Counter[str] = collections.Counter()
    for seed in range(1200 * TIMES):
        rng = random.Random(seed)
        dataset, name, members, method = WHOLE[seed % len(WHOLE)]
        content = mutants.mutant(mutants.archive(members, method), mutants.ZIP, rng)
        try:
            outcomes[tried(name, content, dataset, _fresh(tmp_path, dataset), read_only)] += 1
        except Exception as error:
            error.add_note(f"seed {seed}")
            raise
    print(dict(outcomes))
    # A mutation that breaks nothing, or all that break everything, would try nothing.
    assert min(outcomes[kind] for kind in ("refused by its names", "clips refused", "read")) > 50


def _fresh(tmp_path: Path, dataset: str) -> Path:
    folder = tmp_path / dataset
    folder.mkdir(exist_ok=True)
    # In place of the packaged tables, which take ten times as long to read as an archive.
    (folder / "ground_truth.csv").write_text(",".join(COLUMNS) + "\n")
    return folder


@pytest.mark.parametrize("bad", mutants.NAMES)
def test_names_that_no_honest_archive_has_lead_to_no_file(
    bad: str, tmp_path: Path, read_only: Callable[[bool], None]
) -> None:
    for seed in range(12 * TIMES):
        rng = random.Random(seed)
        dataset, name, members, method = WHOLE[seed % len(WHOLE)]
        content = mutants.renamed(members, method, bad, rng)
        outcome = tried(name, content, dataset, _fresh(tmp_path, dataset), read_only)
        assert outcome in ("refused by its names", "read", "clips refused")
    assert not list(tmp_path.parent.rglob("*escaped*"))


def decoded(content: bytes) -> Waveform | WaveformError:
    try:
        return decode_wav(content)
    except WaveformError as error:
        return error


def test_mutated_clips_are_decoded_whole_or_refused() -> None:
    outcomes: collections.Counter[str] = collections.Counter()
    for seed in range(800 * TIMES):
        content = mutants.mutant(wav(noise(seed, 200)), mutants.WAV, random.Random(seed))
        begin = time.perf_counter()
        waveform = decoded(content)
        assert time.perf_counter() - begin < LONGEST_SECONDS
        if isinstance(waveform, WaveformError):
            assert waveform.cure
            outcomes["refused"] += 1
            continue
        assert (waveform.dtype, waveform.ndim) == (np.int16, 1)
        data = mutants.data_chunk(content)
        whole = np.frombuffer(data[: len(data) // 2 * 2], "<i2")
        assert np.array_equal(waveform, whole), f"seed {seed}"
        outcomes["decoded"] += 1
    print(dict(outcomes))
    assert min(outcomes["refused"], outcomes["decoded"]) > 50


def outcome_of_dataset(data_dir: Path) -> str:
    try:
        verified = verify(2020, data_dir)
    except ArchiveError:
        return "cannot be opened"
    assert str(verified)
    return "faults" if verified.faults else "none"


def test_mutated_files_of_a_dataset_are_faults_or_one_error(tmp_path: Path) -> None:
    clips = {training_clip(n): noise(n, 90) for n in range(3)}
    folder = prepared(tmp_path, clips | {anomalous_clip(0): noise(9, 90)}) / FOLDER
    tables = ("clips.csv", "archives.json", "dataset_info.json", "features.json")
    whole = {name: (folder / name).read_bytes() for name in (*tables, SHARD)}
    outcomes: collections.Counter[str] = collections.Counter()
    for seed in range(300 * TIMES):
        name = sorted(whole)[seed % len(whole)]
        content = mutants.mutant(whole[name], mutants.ANY, random.Random(seed))
        (folder / name).write_bytes(content)
        outcomes[outcome_of_dataset(tmp_path)] += 1
        (folder / name).write_bytes(whole[name])
    print(dict(outcomes))
    assert min(outcomes["cannot be opened"], outcomes["faults"]) > 50
