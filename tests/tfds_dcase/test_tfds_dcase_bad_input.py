"""Every kind of bad input gets an error that names the archive, the clip and the cure."""

import io
import stat
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tfds_dcase

CLIP = "fan/train/normal_id_00_00000000.wav"
TEST_CLIP = "fan/test/anomaly_id_00_00000000.wav"


def wav(samples: int = 400, rate: int = 16000, channels: int = 1, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(samples).integers(-900, 900, (samples, channels), np.int16)
    soundfile.write(file, noise, rate, subtype=subtype, format="WAV")
    return file.getvalue()


def pack(path: Path, members: Mapping[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def fan(*extra: tuple[str, bytes]) -> Callable[[Path], None]:
    """A good archive of fan with members added or replaced."""
    members = {CLIP: wav(), TEST_CLIP: wav(500)} | dict(extra)
    return lambda folder: pack(folder / "dev_data_fan.zip", members)


def archive_2021(name: str, member: str) -> Callable[[Path], None]:
    good = "fan/train/section_00_source_train_normal_0000_strength_1.wav"
    return lambda folder: pack(folder / name, {good: wav(), member: wav()})


def no_zip(folder: Path) -> None:
    (folder / "dev_data_fan.zip").write_bytes(b"<html>Too many requests</html>")


def truncated_zip(folder: Path) -> None:
    fan()(folder)
    path = folder / "dev_data_fan.zip"
    path.write_bytes(path.read_bytes()[:-300])


def empty_zip(folder: Path) -> None:
    pack(folder / "dev_data_fan.zip", {"fan/readme.txt": b"nothing yet"})


def symbolic_link(folder: Path) -> None:
    fan()(folder)
    link = zipfile.ZipInfo("fan/train/normal_id_00_00000009.wav")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(folder / "dev_data_fan.zip", "a") as archive:
        archive.writestr(link, "/etc/passwd")


def duplicate_names(folder: Path) -> None:
    fan()(folder)
    with zipfile.ZipFile(folder / "dev_data_fan.zip", "a") as archive:
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr(CLIP, wav(700))


def crc_error(folder: Path) -> None:
    path = folder / "dev_data_fan.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(CLIP, wav())
        archive.writestr(TEST_CLIP, wav(500))
    content = bytearray(path.read_bytes())
    content[200] ^= 0xFF
    path.write_bytes(content)


def archive_is_a_folder(folder: Path) -> None:
    (folder / "dev_data_fan.zip").mkdir()


def lying_header(promised: int) -> bytes:
    whole = wav()
    return whole[:40] + struct.pack("<I", promised) + whole[44:]


def own_table(line: str, header: str = "machine_type,file_name,section,domain,label,attributes"):
    def write(folder: Path) -> None:
        fan()(folder)
        (folder / "ground_truth.csv").write_text(f"{header}\n{line}\n")

    return write


AGAIN = "Download it again from https://zenodo.org/records/3678171/files/dev_data_fan.zip"
CONVERT = "Convert the clip to 16 kHz 16-bit mono PCM"
NAMED = f"dev_data_fan.zip: {CLIP}: "
BAD_2020: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "not a zip": (no_zip, ("dev_data_fan.zip: is not a zip archive", AGAIN)),
    "truncated zip": (truncated_zip, ("dev_data_fan.zip: is a truncated", AGAIN)),
    "no clips": (empty_zip, ("dev_data_fan.zip: holds no train clips", AGAIN)),
    "archive is a folder": (
        archive_is_a_folder,
        ("dev_data_fan.zip: is a folder", "Put the archive's file there"),
    ),
    "climbing path": (
        fan(("../fan/train/normal_id_00_00000001.wav", wav())),
        ("../fan/train/normal_id_00_00000001.wav: path climbs out", "Do not trust"),
    ),
    "absolute path": (
        fan(("/etc/x.wav", wav())),
        ("/etc/x.wav: has an absolute path", "Do not trust"),
    ),
    "windows path": (fan(("C:\\x.wav", wav())), ("x.wav: path climbs out", "Do not trust")),
    "symbolic link": (
        symbolic_link,
        ("normal_id_00_00000009.wav: is a symbolic link", "Do not trust"),
    ),
    "duplicate names": (duplicate_names, (f"{NAMED}duplicate name (2 times)", "Keep one of them")),
    "duplicate spelling": (
        fan((f"./{CLIP}", wav())),
        (f"{NAMED}duplicate name (2 times)", "Keep one of them"),
    ),
    "CRC error": (crc_error, (f"{NAMED}cannot be unpacked (Bad CRC", "download it again")),
    "misnamed clip": (
        fan(("fan/train/normal_00_1.wav", wav())),
        (
            "dev_data_fan.zip: fan/train/normal_00_1.wav: fits no clip name of dcase2020",
            "Wanted is the layout fan/train/<clip>.wav",
        ),
    ),
    "terminal codes in a name": (
        fan(("fan/train/\x1b[2J.wav", wav())),
        (r"fan/train/\x1b[2J.wav: fits no clip name",),
    ),
    "anomaly in train": (
        fan(("fan/train/anomaly_id_00_00000000.wav", wav())),
        ("train/anomaly_id_00_00000000.wav: is an anomaly among the training clips", AGAIN),
    ),
    "another type's folder": (
        fan(("pump/train/normal_id_00_00000000.wav", wav())),
        ("pump/train/normal_id_00_00000000.wav: is a clip of pump in an archive of fan", AGAIN),
    ),
    "unknown machine type": (
        lambda folder: pack(folder / "dev_data_Fann.zip", {CLIP: wav()}),
        ("dev_data_Fann.zip: unknown machine type 'Fann'", "did you mean fan?"),
    ),
    "no train split": (
        lambda folder: pack(folder / "dev_data_fan.zip", {TEST_CLIP: wav()}),
        ("dev_data_fan.zip: holds no train clips", AGAIN),
    ),
    "train clips in a test archive": (
        lambda folder: pack(
            folder / "eval_data_test_fan.zip", {"fan/train/id_01_00000000.wav": wav()}
        ),
        ("id_01_00000000.wav: is a train clip in an archive of test clips", "3841772"),
    ),
    "cut off wav": (
        fan((CLIP, wav()[:-100])),
        (f"{NAMED}has a wrong header or is cut off: 800 bytes promised, 700 there", "again"),
    ),
    "header promises more": (
        fan((CLIP, lying_header(2**31))),
        (f"{NAMED}has a wrong header or is cut off", "again"),
    ),
    "header promises less": (
        fan((CLIP, lying_header(100))),
        (f"{NAMED}has a wrong header: bytes follow the 50 samples", "again"),
    ),
    "no wav": (fan((CLIP, b"ID3" * 99)), (f"{NAMED}is no readable wav file", "again")),
    "float": (fan((CLIP, wav(subtype="FLOAT"))), (f"{NAMED}has samples of kind FLOAT", CONVERT)),
    "24 bit": (fan((CLIP, wav(subtype="PCM_24"))), (f"{NAMED}has samples of kind PCM_24", CONVERT)),
    "8 bit": (fan((CLIP, wav(subtype="PCM_U8"))), (f"{NAMED}has samples of kind PCM_U8", CONVERT)),
    "sample rate": (
        fan((CLIP, wav(rate=44100))),
        (f"{NAMED}has a sample rate of 44100 Hz", CONVERT),
    ),
    "stereo": (fan((CLIP, wav(channels=2))), (f"{NAMED}has 2 channels", CONVERT)),
    "empty clip": (fan((CLIP, wav(0))), (f"{NAMED}is empty (0 samples)", "Remove the clip")),
    "ground truth without labels": (
        own_table("fan,id_01_00000000.wav", "machine_type,file_name"),
        ("ground_truth.csv: lacks the columns attributes, domain, label", "first line must be"),
    ),
    "ground truth with a wrong label": (
        own_table("fan,id_01_00000000.wav,id_01,source,broken,"),
        ("ground_truth.csv: line 2: domain 'source', label 'broken'", "labels normal, anomaly"),
    ),
    "broken attributes table": (
        fan(("fan/attributes_00.csv", b"a,b\n")),
        ("fan/attributes_00.csv: is no attributes table", "first line must be"),
    ),
}
BAD_2021 = {
    "domain and folder disagree": (
        archive_2021("dev_data_fan.zip", "fan/source_test/section_00_target_test_normal_0000.wav"),
        ("name says domain target, folder says source", "into a folder dcase2021"),
    ),
    "part and folder disagree": (
        archive_2021("dev_data_fan.zip", "fan/train/section_00_source_test_normal_0000.wav"),
        ("name says part test, folder says train", "4562016"),
    ),
    "clips of another year": (
        lambda folder: pack(folder / "dev_data_fan.zip", {CLIP: wav()}),
        (f"{NAMED}fits no clip name of dcase2021", "into a folder dcase2021"),
    ),
}
CASES = [
    pytest.param(dataset, *case, id=f"{dataset} {kind}")
    for dataset, cases in (("dcase2020", BAD_2020), ("dcase2021", BAD_2021))
    for kind, case in cases.items()
]


@pytest.mark.parametrize(("dataset", "spoil", "expected"), CASES)
def test_bad_input_is_named_with_its_cure_and_leaves_nothing(
    dataset: str, spoil: Callable[[Path], None], expected: tuple[str, ...], tmp_path: Path
) -> None:
    archives = tmp_path / "archives"
    archives.mkdir()
    spoil(archives)
    with pytest.raises(tfds_dcase.ArchiveError) as error:
        tfds_dcase.prepare(dataset, archives, tmp_path / "datasets")
    for text in expected:
        assert text in str(error.value)
    assert not [path for path in (tmp_path / "datasets").rglob("*") if path.suffix != ".lock"]


def test_missing_and_empty_folders_list_the_archives_with_their_addresses(tmp_path: Path) -> None:
    for folder, state in ((tmp_path / "no", "does not exist"), (tmp_path, "holds no archive")):
        with pytest.raises(tfds_dcase.ArchiveError) as error:
            tfds_dcase.prepare("dcase2020", folder, tmp_path / "datasets")
        assert state in str(error.value)
        address = "https://zenodo.org/records/3841772/files/eval_data_test_valve.zip?download=1"
        assert f"eval_data_test_valve.zip  {address}" in str(error.value)


def test_requested_machine_types_must_be_there(tmp_path: Path) -> None:
    fan()(tmp_path)
    with pytest.raises(tfds_dcase.ArchiveError) as error:
        tfds_dcase.prepare("dcase2020", tmp_path, tmp_path / "datasets", ["fan", "pump", "valve"])
    for name in ("pump", "valve"):
        assert f"machine type {name}: none of dev_data_{name}.zip" in str(error.value)
    with pytest.raises(tfds_dcase.ArchiveError, match="no machine type 'Pump': did you mean pump"):
        tfds_dcase.prepare("dcase2020", tmp_path, tmp_path / "datasets", ["Pump"])


@pytest.mark.parametrize("options", [{"dataset": "dcase2019"}, {"file_format": "parquet"}])
def test_unknown_years_and_formats_are_refused(options: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(tfds_dcase.ArchiveError, match=r"[Cc]hoose"):
        tfds_dcase.prepare(
            **{"dataset": "2020", "archives": tmp_path, "data_dir": tmp_path} | options  # type: ignore[arg-type]
        )


def test_all_faults_are_in_one_error_and_many_are_counted(tmp_path: Path) -> None:
    bad = {f"fan/train/normal_id_00_{n:08}.wav": wav(channels=2) for n in range(30)}
    pack(tmp_path / "dev_data_fan.zip", {TEST_CLIP: wav(rate=8000)} | bad)
    pump = {"pump/train/normal_id_00_00000000.wav": b"", "pump/test/normal_id_00_00000000.wav": b""}
    pack(tmp_path / "dev_data_pump.zip", pump)
    with pytest.raises(tfds_dcase.ArchiveError) as error:
        tfds_dcase.prepare("dcase2020", tmp_path, tmp_path / "datasets")
    lines = str(error.value).splitlines()
    assert "33 faults, the first 20 of them are listed" in lines[0]
    assert len(lines) == 21
    assert any("8000 Hz" in line for line in lines)
    assert any("dev_data_pump.zip" in line for line in lines)


# The interpreter's own files may be closed to nobody: what the first pass imports is loaded before.
AS_NOBODY = """
import os, pathlib, sys
from tfds_dcase import archives, clips, errors, labels, layouts
labels.read_ground_truth("dcase2020", None, errors.Faults())
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    year = layouts.LAYOUTS["dcase2020"]
    clips.scan_archives(year, archives.find_archives(year, pathlib.Path(sys.argv[1])))
except errors.ArchiveError as error:
    print(error)
"""


@pytest.mark.parametrize("locked", ["folder", "archive"])
def test_folders_and_archives_without_permission_are_named(locked: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o777)
        archives = root / "archives"
        fan()(archives)
        path = archives if locked == "folder" else archives / "dev_data_fan.zip"
        path.chmod(0)
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, str(archives)],
            capture_output=True,
            text=True,
            check=True,
        )
        path.chmod(0o755)
    assert path.name in done.stdout
    assert "cannot be read (Permission denied)" in done.stdout
    assert "Give yourself the permission" in done.stdout
