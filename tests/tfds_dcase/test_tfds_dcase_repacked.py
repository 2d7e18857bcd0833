"""Archives that were repacked or unzipped: what is certain is taken, else one line names the layout that is wanted."""

import zipfile
from pathlib import Path

import pytest
import tfds_dcase

from tests.tfds_dcase.fan_archives import noise, wav

NAMES = [f"normal_id_00_{i:08d}.wav" for i in range(2)]
OFFICIAL = [*(f"fan/train/{name}" for name in NAMES), "fan/test/anomaly_id_00_00000000.wav"]


def packed(folder: Path, names: list[str], archive: str = "dev_data_fan.zip") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / archive, "w") as file:
        for i, name in enumerate(names):
            # zipfile would put backslashes right on writing where the system has them.
            info = zipfile.ZipInfo("x")
            info.filename = name
            file.writestr(info, wav(noise(i, 400)))
    return folder


def ids(folder: Path, data: Path) -> list[str]:
    builder = tfds_dcase.prepare("dcase2020", folder, data)
    clips = tfds_dcase.read_index(builder.data_path)
    return sorted(clip.clip_id for clip in clips)


@pytest.mark.parametrize(
    ("change", "archive"),
    [
        (lambda name: name.replace("/", "\\"), "dev_data_fan.zip"),
        (lambda name: f"dev_data/{name}", "dev_data_fan.zip"),
        (lambda name: f"dcase2020/dev_data_fan/{name}", "dev_data_fan.zip"),
        (lambda name: name.removeprefix("fan/"), "dev_data_fan.zip"),
        (lambda name: name.replace("fan/", "Fan/").replace("train/", "Train/"), "dev_data_fan.zip"),
        (lambda name: name.replace(".wav", ".WAV"), "dev_data_fan.zip"),
        (lambda name: name, "DEV_DATA_FAN.ZIP"),
        (lambda name: f"Dev\\{name}".replace("/", "\\"), "dev_data_fan.zip"),
        (lambda name: name, "Dev_Data_Fan.zip"),
    ],
)
def test_a_repacked_archive_gives_the_official_clips(tmp_path: Path, change, archive: str) -> None:
    official = ids(packed(tmp_path / "a", OFFICIAL), tmp_path / "official")
    changed = packed(tmp_path / "b", [change(name) for name in OFFICIAL], archive)
    assert ids(changed, tmp_path / "repacked") == official


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (NAMES, "2 clips lie in no folder, which is no folder of the published archive"),
        ([f"fan/{name}" for name in NAMES], "2 clips lie in fan/, which is no folder of the"),
        ([f"fan/training/{name}" for name in NAMES], "Wanted is the layout fan/train/<clip>.wav"),
        ([f"fan/train/normal/{name}" for name in NAMES], "2 clips lie in fan/train/normal/"),
        (["/fan/train/normal_id_00_00000000.wav"], "has an absolute path"),
        (["../fan/train/normal_id_00_00000000.wav"], "climbs out"),
        (["fan/a.wav"], "Wanted is the layout fan/train/<clip>.wav with the official names"),
        (["fan/normal/normal_id_00_00000000.wav"], "1 clips lie in fan/normal/"),
        (["pump/train/normal_id_00_00000000.wav"], "is a clip of pump in an archive of fan"),
        (["fan/train/normal_id_00_00000000.wav", "Fan/train/normal_id_00_00000000.wav"], "2 times"),
    ],
)
def test_what_is_not_certain_is_refused(tmp_path: Path, names: list[str], told: str) -> None:
    with pytest.raises(tfds_dcase.ArchiveError, match="dev_data_fan") as error:
        tfds_dcase.prepare("dcase2020", packed(tmp_path / "a", names), tmp_path / "data")
    assert told in str(error.value)
    assert "other years" not in str(error.value) or names[0].startswith("pump/")


def test_folders_in_an_archive_of_another_system_are_no_clips(tmp_path: Path) -> None:
    names = [name.replace("/", "\\") for name in OFFICIAL]
    folder = packed(tmp_path / "a", ["fan\\", "fan\\train\\", *names])
    assert len(ids(folder, tmp_path / "data")) == len(OFFICIAL)


def test_a_folder_with_the_name_of_an_archive_is_told_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "a" / "dev_data_fan.zip" / "fan").mkdir(parents=True)
    with pytest.raises(tfds_dcase.ArchiveError, match="is a folder, not a zip archive"):
        tfds_dcase.prepare("dcase2020", tmp_path / "a", tmp_path / "data")


def test_parts_without_a_machine_type_are_told_to_be_unzipped(tmp_path: Path) -> None:
    for part in ("train", "test"):
        (tmp_path / "a" / part).mkdir(parents=True)
    with pytest.raises(tfds_dcase.ArchiveError, match="does not tell its machine type"):
        tfds_dcase.prepare("dcase2020", tmp_path / "a", tmp_path / "data")


@pytest.mark.parametrize(
    "place",
    [
        "fan/train",
        "dev_data_fan/fan/train",
        "dcase2020/fan/train",
        "Fan/Train",
        "dev_data/fan/train",
        "dcase2020/dev_data/fan/test",
    ],
)
def test_an_unzipped_archive_is_told_how_to_be_used(tmp_path: Path, place: str) -> None:
    (tmp_path / "a" / place).mkdir(parents=True)
    with pytest.raises(tfds_dcase.ArchiveError, match="is an unzipped archive") as error:
        tfds_dcase.prepare("dcase2020", tmp_path / "a", tmp_path / "data")
    # The archive that the command makes is found.
    assert f"zip -0 -r {tmp_path / 'a' / 'dev_data_fan.zip'} {Path(place).parts[-2]}" in str(
        error.value
    )


def test_a_machine_that_is_unzipped_beside_the_archive_of_another_is_not_left_out(
    tmp_path: Path,
) -> None:
    folder = packed(tmp_path / "a b", OFFICIAL)
    (folder / "pump" / "train").mkdir(parents=True)
    (folder / "fan" / "train").mkdir(parents=True)
    with pytest.raises(tfds_dcase.ArchiveError, match="pump is an unzipped archive") as error:
        tfds_dcase.prepare("dcase2020", folder, tmp_path / "data")
    assert f"zip -0 -r '{folder / 'dev_data_pump.zip'}' pump" in str(error.value)
    tfds_dcase.prepare("dcase2020", folder, tmp_path / "data", ["fan"])


def test_files_of_a_mac_beside_the_archives_are_passed_over(tmp_path: Path) -> None:
    folder = packed(tmp_path / "a", [*OFFICIAL, "__MACOSX/fan/train/._x.wav", "fan/train/._y.wav"])
    (folder / "._dev_data_fan.zip").write_bytes(b"Mac")
    assert len(ids(folder, tmp_path / "data")) == len(OFFICIAL)
