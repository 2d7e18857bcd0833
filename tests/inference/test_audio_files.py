"""Which files are found, what their paths tell, and how they are read."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from tfds_dcase.reading import Unreadable
from tfds_dcase.recordings import OTHER_SOUND, SUFFIXES

from asd_jax.inference.audio_files import claim_of, find_files, machine_type_of, read_recording

KNOWN = ["id_00", "id_02"]


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_folders_are_searched_in_order_and_hidden_files_passed_over(tmp_path: Path) -> None:
    """Every ending of sound, in any case; what is named stays whatever it is called, and comes once."""
    touch(tmp_path, "b/2.wav", "b/1.WAV", "a/x.flac", "a.ogg", "c/deep/y.aiff", "c/z.aif")
    touch(tmp_path, "notes.txt", ".hidden.wav", ".git/1.wav", "__MACOSX/b/1.wav", "b/._2.wav")
    found = find_files([tmp_path])
    names = [str(path.relative_to(tmp_path)) for path in found.files]
    assert names == ["a.ogg", "a/x.flac", "b/1.WAV", "b/2.wav", "c/z.aif", "c/deep/y.aiff"]
    assert found.note() == "no recordings by their endings: 1 .txt"
    named = [tmp_path / "notes.txt", tmp_path / "b", tmp_path / "b" / "2.wav", tmp_path / "gone"]
    assert [path.name for path in find_files(named).files] == [
        "notes.txt",
        "1.WAV",
        "2.wav",
        "gone",
    ]
    for nothing in ([], [tmp_path / ".git" / "none"]):
        (tmp_path / ".git" / "none").mkdir(exist_ok=True)
        with pytest.raises(ValueError, match=r"no recordings \(\.wav, \.flac.*name audio files"):
            find_files(nothing)


@pytest.mark.parametrize(
    ("name", "is_sound"),
    [(f"x{ending}", True) for ending in (*SUFFIXES, *OTHER_SOUND, ".MP3", ".M4a")]
    + [(name, False) for name in ("x.csv", "x.json", "x.png", "x.npy", "x.zip", "x", "wav")],
)
def test_sound_of_every_format_is_listed_and_the_rest_is_counted(
    tmp_path: Path, name: str, is_sound: bool
) -> None:
    """Sound that cannot be decoded is listed, too: its line says so."""
    touch(tmp_path, "a.wav", name)
    found = find_files([tmp_path])
    assert (tmp_path / name in found.files, bool(found.others)) == (is_sound, not is_sound)
    assert not found.unsearched


def test_folders_that_no_recordings_come_from_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty one, one without permission, and a link to elsewhere; a link that leads round is nothing."""
    here = tmp_path / "here"
    touch(here, "a.wav", "b/b.wav", "locked/c.wav", "only/notes.txt")
    touch(tmp_path, "elsewhere/d.wav")
    (here / "loop").symlink_to(here, target_is_directory=True)
    (here / "b" / "up").symlink_to(tmp_path, target_is_directory=True)
    (here / "other").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    true = os.scandir

    def locked(path: str) -> Any:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", path)
        return true(path)

    monkeypatch.setattr(os, "scandir", locked)
    found = find_files([here, here / "only"])
    assert [path.name for path in found.files] == ["a.wav", "b.wav"]
    told = {path.name: why.what for path, why in found.unsearched}
    assert told == {
        "other": "is a link to a folder, which is not followed",
        "locked": "is a folder that cannot be searched (Permission denied)",
        "only": "holds no recordings",
    }
    with pytest.raises(ValueError, match=r"locked is a folder that cannot be searched .*name aud"):
        find_files([here / "locked"])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/data/fan/test/normal_id_00_00000000.wav", "fan"),
        ("/fan/data/valve/x.wav", "valve"),
        ("/fan/../valve/x.wav", "valve"),
        ("/data/fan_old/x.wav", None),
        ("/data/fantastic.wav", None),
        ("/data/fan_monday.wav", "fan"),
        ("/data/fan/valve-3.wav", "valve"),
        ("/data/ToyCarEmu/x.wav", "ToyCarEmu"),
        ("/data/ToyCarEmu_x.wav", "ToyCarEmu"),
        ("/data/drill_press_7.wav", "drill_press"),
        ("/data/x.wav", None),
    ],
)
def test_the_file_name_or_the_nearest_folder_tells_the_machine_type(
    path: str, expected: str | None
) -> None:
    known = ["fan", "valve", "ToyCar", "ToyCarEmu", "drill", "drill_press"]
    assert machine_type_of(Path(path), known) == expected


def test_a_relative_path_is_told_by_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fan").mkdir()
    monkeypatch.chdir(tmp_path / "fan")
    assert machine_type_of(Path("x.wav"), ["fan", "valve"]) == "fan"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a/normal_id_02_00000001.wav", ("id_02", "path")),
        ("/a/anomaly_id_2.wav", ("id_02", "path")),
        ("/a/id_02/x.wav", ("id_02", "path")),
        ("/a/id_02/normal_id_00_1.wav", ("id_00", "path")),
        ("/a/id_02/normal_id_07_1.wav", ("unknown", "match")),
        ("/a/section_02_source_test_normal_0000.wav", ("unknown", "match")),
        ("/a/android_00.wav", ("unknown", "match")),
        ("/a/x.wav", ("unknown", "match")),
    ],
)
def test_a_path_claims_a_section_that_is_known(path: str, expected: tuple[str, str]) -> None:
    """What it says beside that is no claim: the best match is looked for."""
    assert tuple(claim_of(Path(path), KNOWN)) == expected


def test_the_user_may_write_a_section_by_its_number() -> None:
    path = Path("/a/normal_id_00_1.wav")
    for written in ("id_02", "2", "02"):
        assert tuple(claim_of(path, KNOWN, written)) == ("id_02", "flag")
    for wrong in ("1", "id_2x", ""):
        with pytest.raises(ValueError, match=r"is not known .* known are id_00, id_02: choose"):
            claim_of(path, KNOWN, wrong)


def test_formats_rates_and_channels(tmp_path: Path) -> None:
    """A tone comes through at 16 kHz from every format; of two channels the chosen one is heard."""
    time = np.arange(44100) / 44100
    left, right = 0.5 * np.sin(2 * np.pi * 440 * time), 0.25 * np.sin(2 * np.pi * 880 * time)
    stereo = np.stack([left, right], axis=1)
    for suffix in ("wav", "flac", "ogg", "aiff", "au", "caf", "w64", "rf64", "voc", "mp3"):
        path = tmp_path / f"x.{suffix}"
        soundfile.write(path, stereo, 44100)
        for channel, hertz in (("first", 440), ("second", 880)):
            waveform = read_recording(path, channel)
            assert isinstance(waveform, np.ndarray)
            assert abs(len(waveform) - 16000) < 20
            assert np.argmax(np.abs(np.fft.rfft(waveform, 16000))) == hertz
        waveform = read_recording(path, "mean")
        assert isinstance(waveform, np.ndarray)
        assert set(np.argsort(np.abs(np.fft.rfft(waveform, 16000)))[-2:]) == {440, 880}


def test_what_is_no_recording_is_told_with_its_cure(tmp_path: Path) -> None:
    """And nothing is waited for, such as whoever would write into a pipe."""
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("no audio")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "round.wav").symlink_to(tmp_path / "round.wav")
    (tmp_path / "nowhere.wav").symlink_to(tmp_path / "gone.wav")
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16000)
    soundfile.write(tmp_path / "nan.wav", np.full(800, np.nan), 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "hours.wav", np.zeros(1000 * 3700, np.int16), 1000)
    soundfile.write(tmp_path / "mono.wav", np.zeros(800, np.int16), 16000)
    for name, what in {
        "gone.wav": "does not exist",
        "round.wav": "cannot be read (Too many levels of symbolic links)",
        "nowhere.wav": "is a link that leads nowhere",
        "pipe.wav": "is no file",
        "empty.wav": "is empty",
        "none.wav": "is empty",
        "text.wav": "is no readable audio file",
        "folder.wav": "is no file",
        "gone/a.wav": "does not exist",
        "empty.wav/a.wav": "does not exist",
        f"{'x' * 300}.wav": "cannot be read (File name too long)",
        "nan.wav": "holds NaN",
        "hours.wav": "longer than an hour",
    }.items():
        found = read_recording(tmp_path / name, "mean")
        assert isinstance(found, Unreadable), name
        assert what in found.what
        assert found.cure
    found = read_recording(tmp_path / "mono.wav", "second")
    assert isinstance(found, Unreadable)
    assert "has 1 channel, no second" in found.what
