"""A dataset of own recordings is whole or absent, kept while nothing changes, and told what did."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tfds_dcase
from tfds_dcase import folder, recordings, tfds_dcase_dataset_builder

from tests.tfds_dcase.own_recordings import clips, notes, write


def fan(own: Path) -> Path:
    write(own, "fan/train/a.wav", "fan/train/b.wav", "fan/test/c.wav")
    return own


def refusal(own: Path, data_dir: Path, **options: object) -> str:
    with pytest.raises(tfds_dcase.ArchiveError) as error:
        clips(own, data_dir, **options)
    assert "Build it again with --rebuild" in str(error.value)
    return str(error.value)


def test_a_second_call_is_quick_and_opens_no_recording(tmp_path: Path) -> None:
    own = fan(tmp_path / "own")
    clips(own, tmp_path)
    for path in own.rglob("*.wav"):
        state = path.stat()
        path.write_bytes(b"\0" * state.st_size)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    begin = time.perf_counter()
    assert len(clips(own, tmp_path)) == 3
    assert time.perf_counter() - begin < 1


def test_the_dataset_outlives_its_folder(tmp_path: Path) -> None:
    """A folder that is gone, or not mounted, is no change."""
    own = fan(tmp_path / "own")
    clips(own, tmp_path)
    shutil.rmtree(own)
    assert len(clips(own, tmp_path)) == 3
    own.mkdir()
    assert len(clips(own, tmp_path)) == 3


def test_changes_are_told_by_file_and_taken_on_demand(tmp_path: Path) -> None:
    own = fan(tmp_path / "own")
    clips(own, tmp_path)
    write(own, "pump/d.wav")
    assert "1 file is new (pump/d.wav)" in refusal(own, tmp_path)
    soundfile.write(own / "fan/train/a.wav", np.zeros(999, np.int16), 16000)
    (own / "fan/train/b.wav").rename(own / "fan/test/b.wav")
    told = refusal(own, tmp_path)
    assert "2 files are new (fan/test/b.wav, ...)" in told
    assert "1 file is changed (fan/train/a.wav)" in told
    assert "1 file is gone (fan/train/b.wav)" in told
    assert len(clips(own, tmp_path, rebuild=True)) == 4
    assert clips(own, tmp_path)["fan/train/a.wav"].samples == 999


def test_other_wishes_than_the_built_ones_are_told(tmp_path: Path) -> None:
    own = fan(tmp_path / "own")
    write(own, "pump/d.wav")
    table = own / "table.csv"
    table.write_text("file,machine_type\nfan/train/a.wav,fan\n")
    clips(own, tmp_path)
    assert "its channel is mean, not first" in refusal(own, tmp_path, channel="first")
    told = refusal(own, tmp_path, table=table)
    assert "its table is none, not table.csv" in told
    assert "1 file is new (table.csv); 3 files are gone (fan/" in told
    assert "it holds fan, pump, not fan" in refusal(own, tmp_path, machine_types=["fan"])


def test_a_table_counts_by_its_content(tmp_path: Path) -> None:
    own = fan(tmp_path / "own")
    table = tmp_path / "table.csv"
    table.write_text("file,machine_type,label\nfan/test/c.wav,fan,\n")
    clips(own, tmp_path, table=table)
    os.utime(table, (0, 0))
    assert len(clips(own, tmp_path, table=table)) == 1
    table.write_text("file,machine_type,label\nfan/test/c.wav,fan,anomaly\n")
    assert "1 file is changed (table.csv)" in refusal(own, tmp_path, table=table)
    found = clips(own, tmp_path, table=table, rebuild=True)
    assert found["fan/test/c.wav"].label == "anomaly"


def test_a_failed_rebuild_keeps_the_old_dataset(tmp_path: Path) -> None:
    own = fan(tmp_path / "own")
    clips(own, tmp_path)
    soundfile.write(own / "fan/bad.wav", np.full(9, np.nan), 16000, subtype="FLOAT")
    with pytest.raises(tfds_dcase.ArchiveError, match="NaN"):
        clips(own, tmp_path, rebuild=True)
    assert len(tfds_dcase.load("folder", tmp_path).as_data_source("dev_train_fan")) == 2
    assert not list(tmp_path.glob("*unfinished*"))


KILLED = """
import os, signal, sys, tfds_dcase
def die(phase, done, total, size):
    if phase == sys.argv[3] and done == 2:
        os.kill(os.getpid(), signal.SIGKILL)
tfds_dcase.prepare("folder", sys.argv[1], sys.argv[2], progress=die)
"""


@pytest.mark.parametrize("phase", ["reading", "checking"])
def test_a_killed_build_leaves_no_dataset_and_its_rest_is_cleared(
    phase: str, tmp_path: Path
) -> None:
    own = fan(tmp_path / "own")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(own), str(tmp_path), phase], check=False
    )
    assert done.returncode == -signal.SIGKILL
    with pytest.raises(tfds_dcase.ArchiveError, match=r"--dataset=folder .*<folder of your rec"):
        tfds_dcase.load("folder", tmp_path)
    assert len(clips(own, tmp_path)) == 3
    assert not (tmp_path / ".folder.unfinished").exists()


def test_the_data_dir_may_lie_in_the_folder_itself(tmp_path: Path) -> None:
    """Neither prepared records nor their folder count as recordings."""
    own = fan(tmp_path)
    clips(own, own / "datasets")
    assert len(clips(own, own / "datasets")) == 3
    assert "machine type" in notes(own / "datasets")


def test_long_recordings_do_not_pile_up_ahead_of_the_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory is bounded by bytes, however many processors decode."""
    write(tmp_path / "own", *(f"fan/{n}.wav" for n in range(12)))
    begun: list[Path] = []
    waiting: list[int] = []

    def counted(path: Path, channel: str) -> recordings.Decoded:
        begun.append(path)
        return recordings.decode(path, channel)

    def written(phase: str, done: int, total: int, size: int) -> None:
        if phase == "reading":
            waiting.append(len(begun) - done)

    monkeypatch.setattr(folder, "decode", counted)
    monkeypatch.setattr(tfds_dcase_dataset_builder, "_AHEAD_BYTES", 0)
    clips(tmp_path / "own", tmp_path, progress=written)
    assert waiting == [0] * 12


def launch(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = Path(__file__).parents[2] / "launch" / "prepare.py"
    return subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, check=False
    )


def test_the_launcher_takes_folder_table_and_channel(tmp_path: Path) -> None:
    write(tmp_path / "own", "a.wav", channels=2)
    table = tmp_path / "clips.csv"
    table.write_text("file,machine_type\na.wav,drill\n")
    flags = ("--dataset=folder", f"--archives={tmp_path}/own", f"--data_dir={tmp_path}")
    done = launch(*flags, f"--table={table}", "--channel=all")
    assert done.returncode == 0, done.stderr
    assert "drill         section_00  source             1" in done.stdout
    builder = tfds_dcase.load("folder", tmp_path)
    assert builder.info.features["waveform"].shape == (None, 2)
    failed = launch(*flags, "--rebuild")
    assert failed.returncode == 1
    assert "a.wav: lies beside the folders of the machine types" in failed.stderr
    fetched = launch(*flags, "--download")
    assert fetched.returncode == 1
    assert "--download fetches a year" in fetched.stdout + fetched.stderr
