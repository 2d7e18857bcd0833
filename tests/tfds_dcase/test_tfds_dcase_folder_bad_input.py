"""Whatever is wrong with own recordings is named with the file, or the line, and the cure."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tfds_dcase

from tests.tfds_dcase.own_recordings import write

GOOD = "fan/train/good.wav"
BAD = "fan/train/bad.wav"


def content(samples: np.ndarray, subtype: str = "PCM_16") -> Callable[[Path], None]:
    return lambda path: soundfile.write(path, samples, 16000, subtype=subtype)


def raw(data: bytes) -> Callable[[Path], None]:
    def write_bytes(path: Path) -> None:
        path.write_bytes(data)

    return write_bytes


def cut(name: str, rest: float) -> Callable[[Path], None]:
    """A recording of which only a share is there."""

    def write_part(path: Path) -> None:
        whole = path.with_name(name)
        soundfile.write(whole, np.random.default_rng(0).standard_normal(20000) / 9, 16000)
        data = whole.read_bytes()
        whole.unlink()
        path.write_bytes(data[: int(len(data) * rest)])

    return write_part


def promise(samples: int) -> Callable[[Path], None]:
    """A whole flac file of 20000 samples whose header tells another number."""

    def write_flac(path: Path) -> None:
        soundfile.write(path, np.zeros(20000), 16000, format="FLAC")
        data = bytearray(path.read_bytes())
        data[22:26] = samples.to_bytes(4, "big")
        path.write_bytes(data)

    return write_flac


NAN = np.zeros(16000)
NAN[4000] = np.nan
INFINITE = np.where(np.isnan(NAN), np.inf, NAN)
BAD_AUDIO: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "no audio": (raw(b"ID3" * 99), ("is no readable audio file (", "Convert it to wav or flac")),
    "no bytes": (raw(b""), ("is empty (0 bytes)", "record it again")),
    "no samples": (content(np.zeros(0)), ("is empty (0 samples)", "record it again")),
    "NaN": (content(NAN, "FLOAT"), ("holds NaN or infinite samples, the first at 0.250 s", "Export")),
    "infinite": (content(INFINITE, "DOUBLE"), ("infinite samples, the first at 0.250 s", "Export")),
    "cut off wav": (cut("a.wav", 0.5), ("is cut off: 40000 bytes promised, 19978 there", "Copy or")),
    "cut off aiff": (cut("a.aiff", 0.5), ("is cut off: 40008 bytes promised, ", "Copy or record")),
    "flac that promises more": (promise(25000), ("25000 samples promised, 20000 there", "Copy or")),
    "cut off flac": (cut("a.flac", 0.5), ("is no readable audio file (", "Convert")),
    "too long": (
        lambda path: soundfile.write(path, np.zeros(8 * 3601, np.int16), 8),
        ("is longer than an hour", "Cut it into clips"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_AUDIO)
def test_bad_audio_is_named_with_its_cure_and_leaves_nothing(kind: str, tmp_path: Path) -> None:
    spoil, expected = BAD_AUDIO[kind]
    write(tmp_path / "own", GOOD)
    spoil(tmp_path / "own" / BAD)
    with pytest.raises(tfds_dcase.ArchiveError) as error:
        tfds_dcase.prepare("folder", tmp_path / "own", tmp_path / "data")
    for text in (f"{BAD}: ", *expected):
        assert text in str(error.value)
    assert GOOD not in str(error.value)
    assert not [path for path in (tmp_path / "data").rglob("*") if path.suffix != ".lock"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.wav"], ("a.wav: lies beside the folders", "named after its machine type")),
        (["my fan/a.wav"], ("folder my fan: cannot name a machine type", "letters, digits, _ and -")),
        (["x" * 200 + "/a.wav"], ("cannot name a machine type", "at most 150 bytes")),
        (["train/a.wav", "test/b.wav"], ("folder train: stands where", "folder test: stands where")),
        (["Anomaly/a.wav"], ("folder Anomaly: stands where", "Choose the folder above")),
        (["fan/train/test/a.wav"], ("a.wav: the path says part train and test", "Rename or move it")),
        (["fan/test/normal/anomaly.wav"], ("the path says label normal and anomaly", "Rename")),
        (["fan/id_00/section_01/a.wav"], ("the path says section id_00 and section_01", "Rename")),
        (
            ["fan/train/section_00_source_test_normal_0000.wav"],
            ("the path says part train and test", "Rename"),
        ),
        (
            ["fan/target/section_00_source_test_normal_0000.wav"],
            ("the path says domain target and source", "Rename"),
        ),
        (["fan/a\x1b[2J.wav"], (r"fan/a\x1b[2J.wav: has a name with control characters", "Rename")),
        (["fan/a\udcff.wav"], (r"fan/a\udcff.wav: has a name", "Rename it")),
    ],
)  # fmt: skip
def test_names_that_cannot_be_used_or_contradict_each_other(
    names: list[str], expected: tuple[str, ...], tmp_path: Path
) -> None:
    own = tmp_path / "own"
    write(own, GOOD)
    for name in names:
        path = own / name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(own / GOOD, path)
    with pytest.raises(tfds_dcase.ArchiveError) as error:
        tfds_dcase.prepare("folder", own, tmp_path / "data")
    for text in expected:
        assert text in str(error.value)


HEADER = "file,machine_type,section,domain,label,part,attributes"
BAD_TABLES = [
    (HEADER, "no.wav,fan", "line 3: no.wav is not in {own}"),
    (HEADER, "a.wav,fan", "line 3: a.wav stands in line 2 already. Keep one of them"),
    (HEADER, "./a.wav,pump", "line 3: a.wav stands in line 2 already. Keep one of them"),
    (HEADER, "b.wav", "line 3: has no machine_type. Fill it in"),
    (HEADER, ",fan", "line 3: has no file. Fill it in"),
    (HEADER, "b.wav,my fan", "line 3: machine_type 'my fan' cannot name a machine type"),
    (HEADER, "b.wav,fan,3", "line 3: section '3'. Write it like section_00 or id_00"),
    (HEADER, "b.wav,fan,,moon", "line 3: domain 'moon'. Choose one of source, target, unknown"),
    (
        HEADER,
        "b.wav,fan,,,broken",
        "line 3: label 'broken'. Choose one of normal, anomaly, unknown",
    ),
    (HEADER, "b.wav,fan,,,,eval", "line 3: part 'eval'. Choose one of train, test"),
    (HEADER, "b.wav,fan,,,,,a,b", "line 3: has more cells than columns. Put cells with a comma"),
    (HEADER, "t.csv,fan", "line 3: t.csv is no recording by its ending. Taken are .wav"),
    (HEADER, "../own/b.wav,fan", "line 3: file ../own/b.wav is no path below the folder"),
    (HEADER, "{own}/b.wav,fan", "line 3: file {own}/b.wav is no path below the folder"),
    (HEADER, "link.wav,fan", "line 3: link.wav does not lie in {own}. Copy the file there"),
    (HEADER, "folder.wav,fan", "folder.wav: is no file"),
    (HEADER, '"b.wav,fan', "is no CSV behind line 2 ("),
    (
        "file,kind",
        "b.wav,fan",
        "its first line lacks machine_type. Its columns, between commas, are",
    ),
    ("file&machine_type", "b.wav&fan", "its first line lacks file, machine_type"),
    ("file,machine_type,lable", "b.wav,fan,anomaly", "its first line has lable. Its columns"),
]


@pytest.mark.parametrize(("header", "line", "expected"), BAD_TABLES)
def test_bad_rows_of_a_table_are_named_by_their_lines(
    header: str, line: str, expected: str, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    write(own, "a.wav", "b.wav", "folder.wav/c.wav")
    write(tmp_path, "outside.wav")
    (own / "link.wav").symlink_to(tmp_path / "outside.wav")
    table = own / "t.csv"
    table.write_text(f"{header}\na.wav,fan\n{line.format(own=own)}\n")
    with pytest.raises(tfds_dcase.ArchiveError) as error:
        tfds_dcase.prepare("folder", own, tmp_path / "data", table=table)
    assert expected.format(own=own) in str(error.value)
    assert "line 2:" not in str(error.value)


def test_all_faults_of_a_table_and_of_a_folder_come_at_once(tmp_path: Path) -> None:
    own = tmp_path / "own"
    write(own, "fan/ok.wav")
    for n in range(25):
        (own / f"fan/{n}.wav").write_bytes(b"nothing")
    with pytest.raises(tfds_dcase.ArchiveError, match="25 faults, the first 20 of them are listed"):
        tfds_dcase.prepare("folder", own, tmp_path / "data")
    table = own / "t.csv"
    table.write_text("file,machine_type,label\nfan/ok.wav,f n,bad\nno.wav,\n")
    with pytest.raises(tfds_dcase.ArchiveError, match="4 faults"):
        tfds_dcase.prepare("folder", own, tmp_path / "data", table=table)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"archives": "no"}, r"no does not exist\. Name the folder of your recordings"),
        ({"archives": "empty"}, r"holds no recordings \(\.wav.*\n2 symbolic|holds no recordings"),
        ({"channel": "left"}, "channel 'left': choose one of mean, first, second, all"),
        ({"channel": "second"}, "fan/a.wav: has 1 channel, no second. Choose channel=mean"),
        ({"table": "no.csv"}, r"table .*no\.csv cannot be read .* Name a CSV file"),
        ({"dataset": "2020", "channel": "first"}, "for own recordings only: leave them out for dcase2020"),
        ({"dataset": "2020", "table": "t.csv"}, "for own recordings only"),
        ({"dataset": "folders"}, r"unknown dataset 'folders'\. Choose one of dcase2020.* or folder"),
        ({"machine_types": ["pump"]}, "no machine type 'pump': The machine types are fan"),
    ],
)  # fmt: skip
def test_wrong_wishes_are_answered_with_what_there_is(
    options: dict[str, object], expected: str, tmp_path: Path
) -> None:
    write(tmp_path / "own", "fan/a.wav")
    (tmp_path / "empty").mkdir()
    wishes = {"dataset": "folder", "archives": "own"} | options
    wishes["archives"] = tmp_path / str(wishes["archives"])
    with pytest.raises(tfds_dcase.ArchiveError, match=expected):
        tfds_dcase.prepare(**wishes, data_dir=tmp_path / "data")  # type: ignore[arg-type]


def test_all_channels_need_the_same_number_in_every_file(tmp_path: Path) -> None:
    own = tmp_path / "own"
    write(own, "fan/a.wav", "fan/b.wav", "fan/c.wav", channels=2)
    write(own, "fan/d.wav", channels=4)
    with pytest.raises(tfds_dcase.ArchiveError) as error:
        tfds_dcase.prepare("folder", own, tmp_path / "data", channel="all")
    assert "1 fault\n  fan/d.wav: has 4 channels, most recordings have 2" in str(error.value)
    tfds_dcase.prepare("folder", own, tmp_path / "data", channel="mean")


def test_links_alone_are_told_when_nothing_else_is_there(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "a.wav")
    (tmp_path / "own/fan").mkdir(parents=True)
    (tmp_path / "own/fan/a.wav").symlink_to(tmp_path / "elsewhere/a.wav")
    with pytest.raises(tfds_dcase.ArchiveError) as error:
        tfds_dcase.prepare("folder", tmp_path / "own", tmp_path / "data")
    assert "holds no recordings" in str(error.value)
    assert "1 symbolic links were left out" in str(error.value)


def test_a_missing_resampler_is_asked_for_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is decoded; recordings at 16 kHz do without it."""
    monkeypatch.setitem(sys.modules, "soxr", None)
    write(tmp_path / "own", "fan/a.wav")
    tfds_dcase.prepare("folder", tmp_path / "own", tmp_path / "data")
    write(tmp_path / "own", "fan/b.wav", rate=44100)
    with pytest.raises(tfds_dcase.ArchiveError, match=r"fan/b\.wav; soxr, .* pip install soxr"):
        tfds_dcase.prepare("folder", tmp_path / "own", tmp_path / "data", rebuild=True)


def test_a_pipe_among_the_recordings_does_not_stop_the_build(tmp_path: Path) -> None:
    write(tmp_path / "own", "fan/a.wav")
    os.mkfifo(tmp_path / "own/fan/b.wav")
    with pytest.raises(tfds_dcase.ArchiveError, match=r"fan/b\.wav: is no file"):
        tfds_dcase.prepare("folder", tmp_path / "own", tmp_path / "data")


# The interpreter's own files may be closed to nobody: what the first pass imports is loaded before.
AS_NOBODY = """
import os, pathlib, sys
import soxr
from tfds_dcase import errors, folder
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    folder.OwnRecordings(pathlib.Path(sys.argv[1])).scan()
except errors.ArchiveError as error:
    print(error)
"""


@pytest.mark.parametrize("locked", ["", "fan/train", "fan/train/a.wav"])
def test_folders_and_files_without_permission_are_named(locked: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        own = Path(name) / "own"
        write(own, "fan/train/a.wav", "fan/test/b.wav")
        (own / locked).chmod(0)
        done = subprocess.run(
            [sys.executable, "-c", AS_NOBODY, str(own)], capture_output=True, text=True, check=True
        )
        (own / locked).chmod(0o755)
    assert f"{locked or own}: cannot be read (Permission denied)" in done.stdout
    assert "Give yourself the permission" in done.stdout
