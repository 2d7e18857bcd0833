"""Archives that unpack to far more than they declare are refused in little memory."""

import bz2
import lzma
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tfds_dcase import mutants
from tests.tfds_dcase.fan_archives import noise, training_clip, wav

_MEGABYTE = 1 << 20
INFLATED = 400 * _MEGABYTE
ALLOWED = 200 * _MEGABYTE

# Reads all of an archive as a build does, with little memory more than its imports take.
READ = f"""
import pathlib, resource, sys
from tfds_dcase import archives, clips, errors, labels, layouts, reading
labels.read_ground_truth("dcase2020", None, errors.Faults())
taken = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + {ALLOWED},) * 2)
year = layouts.LAYOUTS["dcase2020"]
try:
    scan = clips.scan_archives(year, archives.find_archives(year, pathlib.Path(sys.argv[1])))
except errors.ArchiveError as error:
    sys.exit(str(error))
with reading.ArchiveReader(scan.clips[0].archive, 1) as reader:
    for heard in map(reader.read, scan.clips):
        print(heard.what if isinstance(heard, reading.Unreadable) else heard.waveform.shape)
"""


def deflated() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(_MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush, a block stands for itself: it need not be packed again and again.
    return block * (INFLATED // _MEGABYTE) + packer.flush()


def bzip2() -> bytes:
    return bz2.compress(bytes(INFLATED), 9)


def lzma_packed() -> bytes:
    filters = [{"id": lzma.FILTER_LZMA1, "preset": 0, "dict_size": _MEGABYTE}]
    properties = lzma._encode_filter_properties(filters[0])  # type: ignore[attr-defined]
    packed = lzma.compress(bytes(INFLATED), lzma.FORMAT_RAW, filters=filters)
    return struct.pack("<BBH", 9, 4, len(properties)) + properties + packed


def bomb(name: str, method: int, packed: bytes, declared: int) -> bytes:
    """An archive whose only odd member unpacks to zeros, many more than it declares."""
    good = {training_clip(0): wav(noise(0, 200))}
    content = mutants.archive(good | {name: packed}, zipfile.ZIP_STORED)
    for signature, at in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        header = content.rindex(signature, 0, content.rindex(name.encode()) if at == 10 else None)
        if at == 8:
            header = content.index(signature, 4)
        sizes = struct.pack("<II", len(packed), declared)
        content = _replaced(content, header + at, struct.pack("<H", method))
        content = _replaced(content, header + at + 10, sizes)
    return content


def _replaced(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def read_in_little_memory(folder: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", READ, str(folder)], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
@pytest.mark.parametrize("name", [training_clip(1), "fan/attributes_00.csv"])
@pytest.mark.parametrize(
    ("method", "pack"),
    [
        (zipfile.ZIP_DEFLATED, deflated),
        (zipfile.ZIP_BZIP2, bzip2),
        (zipfile.ZIP_LZMA, lzma_packed),
    ],
)
def test_a_member_that_unpacks_to_more_than_it_declares_is_refused(
    method: int, pack: Callable[[], bytes], name: str, tmp_path: Path
) -> None:
    (tmp_path / "dev_data_fan.zip").write_bytes(bomb(name, method, pack(), 444))
    done = read_in_little_memory(tmp_path)
    assert "cannot be unpacked" in done.stdout or "dev_data_fan.zip" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_a_table_of_attributes_of_many_megabytes_is_refused(tmp_path: Path) -> None:
    content = {training_clip(0): wav(noise(0, 200)), "attributes_00.csv": b"," * 50 * _MEGABYTE}
    packed = mutants.archive(content, zipfile.ZIP_DEFLATED)
    (tmp_path / "dev_data_fan.zip").write_bytes(packed)
    done = read_in_little_memory(tmp_path)
    assert "attributes_00.csv: is larger" in done.stderr


def test_a_member_that_declares_gigabytes_is_refused_by_its_name(tmp_path: Path) -> None:
    packed = bomb(training_clip(1), zipfile.ZIP_DEFLATED, deflated(), 0xFFFFFFF0)
    (tmp_path / "dev_data_fan.zip").write_bytes(packed)
    assert "is larger (4294967280 bytes) than any clip" in read_in_little_memory(tmp_path).stderr
