"""A build is whole or absent, a finished one is kept, and changed wishes are told."""

import io
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tfds_dcase
from tfds_dcase.locks import locked

FOLDER = f"tfds_dcase/dcase2020/{tfds_dcase.Builder.VERSION}"


def pack(folder: Path, machine_type: str = "fan", clips: int = 3, level: int = 9) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"dev_data_{machine_type}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for n in range(clips):
            wav = io.BytesIO()
            soundfile.write(wav, np.full(200 + n, level, np.int16), 16000, format="WAV")
            archive.writestr(f"{machine_type}/train/normal_id_00_{n:08}.wav", wav.getvalue())
    return path


def stereo(folder: Path) -> None:
    wav = io.BytesIO()
    soundfile.write(wav, np.zeros((9, 2), np.int16), 16000, format="WAV")
    with zipfile.ZipFile(folder / "dev_data_fan.zip", "w") as archive:
        archive.writestr("fan/train/normal_id_00_00000000.wav", wav.getvalue())


def first_sample(data_dir: Path) -> int:
    return int(tfds_dcase.load(2020, data_dir).as_data_source("dev_train_fan")[0]["waveform"][0])


def test_a_second_call_uses_the_dataset_without_reading_archives(tmp_path: Path) -> None:
    path = pack(tmp_path / "archives")
    tfds_dcase.prepare(2020, tmp_path / "archives", tmp_path)
    times = path.stat()
    path.write_bytes(b"\0" * times.st_size)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    begin = time.perf_counter()
    tfds_dcase.prepare(2020, tmp_path / "archives", tmp_path)
    assert time.perf_counter() - begin < 1
    shutil.rmtree(tmp_path / "archives")
    tfds_dcase.prepare(2020, tmp_path / "archives", tmp_path)
    assert first_sample(tmp_path) == 9


def test_a_copied_archive_with_a_new_time_is_the_same(tmp_path: Path) -> None:
    path = pack(tmp_path / "archives")
    tfds_dcase.prepare(2020, tmp_path / "archives", tmp_path)
    os.utime(path, (0, 0))
    tfds_dcase.prepare(2020, tmp_path / "archives", tmp_path)


def test_changed_and_new_archives_are_told_and_rebuilt_on_demand(tmp_path: Path) -> None:
    archives = tmp_path / "archives"
    pack(archives)
    tfds_dcase.prepare(2020, archives, tmp_path)
    pack(archives, level=77)
    pack(archives, "pump")
    (archives / "ground_truth.csv").write_text(
        "machine_type,file_name,section,domain,label,attributes\n"
    )
    with pytest.raises(tfds_dcase.ArchiveError) as error:
        tfds_dcase.prepare(2020, archives, tmp_path)
    for text in ("fan.zip has changed", "pump.zip is new", "ground_truth.csv is new", "--rebuild"):
        assert text in str(error.value)
    assert first_sample(tmp_path) == 9
    tfds_dcase.prepare(2020, archives, tmp_path, rebuild=True)
    assert first_sample(tmp_path) == 77


def test_other_machine_types_and_formats_than_the_built_ones_are_told(tmp_path: Path) -> None:
    archives = tmp_path / "archives"
    pack(archives)
    pack(archives, "pump")
    tfds_dcase.prepare(2020, archives, tmp_path, machine_types=["fan"])
    tfds_dcase.prepare(2020, archives, tmp_path, machine_types=["fan"])
    with pytest.raises(tfds_dcase.ArchiveError, match=r"holds fan, not pump.*--rebuild"):
        tfds_dcase.prepare(2020, archives, tmp_path, machine_types=["pump"])
    with pytest.raises(tfds_dcase.ArchiveError, match=r"dev_data_pump.zip is new"):
        tfds_dcase.prepare(2020, archives, tmp_path)


def test_a_failed_rebuild_keeps_the_old_dataset(tmp_path: Path) -> None:
    pack(tmp_path / "archives")
    tfds_dcase.prepare(2020, tmp_path / "archives", tmp_path)
    stereo(tmp_path / "archives")
    with pytest.raises(tfds_dcase.ArchiveError, match="2 channels"):
        tfds_dcase.prepare(2020, tmp_path / "archives", tmp_path, rebuild=True)
    assert first_sample(tmp_path) == 9
    assert not list(tmp_path.glob("*unfinished*"))


def test_a_missing_or_short_index_is_written_again_from_the_records(tmp_path: Path) -> None:
    pack(tmp_path / "archives")
    tfds_dcase.prepare(2020, tmp_path / "archives", tmp_path)
    index = tmp_path / FOLDER / "clips.csv"
    whole = index.read_text()
    for spoilt in (None, whole[: whole.rindex("\n", 0, -1) + 1]):
        index.unlink()
        if spoilt:
            index.write_text(spoilt)
        with pytest.raises(tfds_dcase.ArchiveError, match="damaged" if spoilt else "not prepared"):
            tfds_dcase.load(2020, tmp_path)
        if spoilt:
            index.unlink()
        tfds_dcase.prepare(2020, tmp_path / "archives", tmp_path)
        assert index.read_text() == whole


def test_records_that_are_not_what_was_sent_are_found(tmp_path: Path) -> None:
    pack(tmp_path / "archives")
    tfds_dcase.prepare(2020, tmp_path / "archives", tmp_path)
    folder = tmp_path / FOLDER
    (folder / "clips.csv").unlink()
    (folder / "files.json").unlink()
    provenance = folder / "archives.json"
    provenance.write_text(provenance.read_text().replace('"clips": 3', '"clips": 4'))
    with pytest.raises(tfds_dcase.ArchiveError, match=r"4 clips were sent, 3 came back.*--rebuild"):
        tfds_dcase.prepare(2020, tmp_path / "archives", tmp_path)
    provenance.unlink()
    with pytest.raises(tfds_dcase.ArchiveError, match=r"archives.json is missing.*--rebuild"):
        tfds_dcase.prepare(2020, tmp_path / "archives", tmp_path)
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(tfds_dcase.ArchiveError, match="is no dataset"):
        tfds_dcase.prepare(2020, tmp_path / "archives", tmp_path)


KILLED = """
import os, signal, sys, tfds_dcase
def die(phase, done, total, size):
    if phase == sys.argv[3] and done == 2:
        os.kill(os.getpid(), signal.SIGKILL)
tfds_dcase.prepare("2020", sys.argv[1], sys.argv[2], progress=die)
"""


@pytest.mark.parametrize("phase", ["reading", "checking"])
def test_a_killed_build_leaves_no_dataset_and_its_rest_is_cleared(
    phase: str, tmp_path: Path
) -> None:
    pack(tmp_path / "archives")
    arguments = [str(tmp_path / "archives"), str(tmp_path), phase]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / ".dcase2020.unfinished").is_dir()
    with pytest.raises(tfds_dcase.ArchiveError, match="not prepared"):
        tfds_dcase.load(2020, tmp_path)
    tfds_dcase.prepare(2020, tmp_path / "archives", tmp_path)
    assert first_sample(tmp_path) == 9
    assert not (tmp_path / ".dcase2020.unfinished").exists()


def test_a_kill_between_the_two_renamings_loses_nothing(tmp_path: Path) -> None:
    pack(tmp_path / "archives")
    tfds_dcase.prepare(2020, tmp_path / "archives", tmp_path)
    staging = tmp_path / ".dcase2020.unfinished"
    staging.mkdir()
    (tmp_path / FOLDER).rename(staging / "replaced")
    shutil.rmtree(tmp_path / "archives")
    tfds_dcase.prepare(2020, tmp_path / "archives", tmp_path)
    assert first_sample(tmp_path) == 9


def test_two_builds_of_one_dataset_do_not_meet(tmp_path: Path) -> None:
    pack(tmp_path / "archives")
    with locked(tmp_path / ".dcase2020.lock", "preparing"):
        with pytest.raises(tfds_dcase.ArchiveError, match="another process is preparing"):
            tfds_dcase.prepare(2020, tmp_path / "archives", tmp_path)


def test_an_unprepared_dataset_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(tfds_dcase.ArchiveError, match=r"tfds-dcase prepare --dataset=dcase2021"):
        tfds_dcase.load("2021", tmp_path)
    with pytest.raises(tfds_dcase.ArchiveError, match="unfinished"):
        tfds_dcase.read_index(tmp_path)


def test_shared_storage_is_read_by_its_address_and_not_built_in(tmp_path: Path) -> None:
    """An address is no local path: `gs://` must not become `gs:/`."""
    folder = str(tfds_dcase.dataset_folder(2020, "gs://bucket/datasets"))
    assert folder == f"gs://bucket/datasets/{FOLDER}"
    pack(tmp_path / "archives")
    with pytest.raises(tfds_dcase.ArchiveError, match=r"Prepare it on a local disk and copy"):
        tfds_dcase.prepare(2020, tmp_path / "archives", "gs://bucket/datasets")


def launch(*arguments: str) -> subprocess.CompletedProcess[str]:
    script = Path(__file__).parents[2] / "launch" / "prepare.py"
    return subprocess.run(
        [sys.executable, str(script), *arguments], capture_output=True, text=True, check=False
    )


def test_the_launcher_prints_the_table_or_the_error_without_a_traceback(tmp_path: Path) -> None:
    pack(tmp_path / "archives")
    flags = ("--dataset=2020", f"--archives={tmp_path}/archives", f"--data_dir={tmp_path}")
    done = launch(*flags)
    assert done.returncode == 0
    assert "fan           id_00    source             3" in done.stdout
    failed = launch(*flags, "--machine_types=pump")
    assert failed.returncode == 1
    assert "holds fan, not pump" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_the_launcher_verifies_and_its_exit_status_tells(tmp_path: Path) -> None:
    pack(tmp_path / "archives")
    tfds_dcase.prepare(2020, tmp_path / "archives", tmp_path)
    flags = ("--dataset=2020", f"--data_dir={tmp_path}", "--verify")
    sound = launch(*flags)
    assert sound.returncode == 0, sound.stderr
    shard = next((tmp_path / FOLDER).glob("*.array_record*"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    damaged = launch(*flags)
    assert damaged.returncode == 1
    assert shard.name in damaged.stdout
    assert "Traceback" not in damaged.stderr


def test_neither_tensorflow_nor_asd_jax_is_imported(tmp_path: Path) -> None:
    pack(tmp_path / "archives")
    program = (
        "import sys, tfds_dcase\n"
        "built = tfds_dcase.prepare(2020, sys.argv[1], sys.argv[2])\n"
        "next(iter(built.as_data_source('dev_train_fan')))\n"
        "print([name for name in ('tensorflow', 'asd_jax', 'jax') if name in sys.modules])"
    )
    arguments = [str(tmp_path / "archives"), str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
