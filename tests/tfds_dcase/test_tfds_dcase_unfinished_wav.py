"""Wav files whose recorder was stopped: read to their end with a remark, or refused; never wrong samples."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tfds_dcase.recordings import decode, header_remark, read_header
from tfds_dcase.waveforms import WaveformError

SAMPLES = np.random.default_rng(0).integers(-9000, 9000, 5000).astype(np.int16)
TAG = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf58.29.100\0"


def wav(channels: int = 1) -> bytearray:
    file = io.BytesIO()
    soundfile.write(file, SAMPLES.reshape(-1, channels), 16000, format="WAV", subtype="PCM_16")
    return bytearray(file.getvalue())


def with_size(size: int, riff: int | None = None, behind: bytes = b"", channels: int = 1) -> bytes:
    content = wav(channels)
    place = content.index(b"data") + 4
    struct.pack_into("<I", content, place, size)
    if riff is not None:
        struct.pack_into("<I", content, 4, riff)
    return bytes(content + behind)


def chunk(name: bytes, size: int = 24) -> bytes:
    return name + struct.pack("<I", size) + bytes(size)


def long_form(size: int) -> bytes:
    """RF64, as recorders write whose files may grow beyond 4 GB."""
    content = with_size(0xFFFFFFFF, riff=0xFFFFFFFF)
    sizes = b"ds64" + struct.pack("<IQQQI", 28, size, size, 0, 0)
    return b"RF64" + content[4:12] + sizes + content[12:]


@pytest.mark.parametrize(
    "content",
    [
        with_size(0),
        with_size(0, riff=0),
        with_size(0xFFFFFFFF, riff=0xFFFFFFFF),
        with_size(0x80000000),
        with_size(0x7FFFFFFF, riff=0x7FFFFFFF),
        with_size(0x7FFFFFFF - 44),
        with_size(0xFFFFFFFF, behind=TAG),
        with_size(0, behind=TAG),
        with_size(0x80000000, behind=b"\x01"),
        with_size(0, behind=chunk(b"SyLp") + TAG),
        with_size(0, behind=chunk(b"acid", 5) + b"\0"),
        with_size(0, behind=chunk(b"LIST", 3_000_000)),
        with_size(0, behind=TAG[:-9]),
        with_size(0xFFFFFFFF, behind=b"TAG" + bytes(125)),
        with_size(0xFFFFFFFF, behind=b"ID3\x04\0\0\0\0\x01\x00" + bytes(128)),
        with_size(0, behind=TAG + b"TAG" + bytes(125)),
        long_form(2**64 - 1),
        long_form(0),
    ],
)
def test_an_unfinished_header_costs_no_sample(tmp_path: Path, content: bytes) -> None:
    """Tags behind the samples, and a last half of a sample, are no sound."""
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    np.testing.assert_array_equal(decode(path).waveform, SAMPLES)
    header = read_header(path)
    assert header.samples == len(SAMPLES)
    assert "never finished" in header.remark == header_remark(path)


def test_a_finished_header_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    for content in (bytes(wav()), bytes(wav()) + TAG):
        path.write_bytes(content)
        assert header_remark(path) == ""
    path.write_bytes(bytes(wav()))
    np.testing.assert_array_equal(decode(path).waveform, SAMPLES)


@pytest.mark.parametrize(
    "content", [with_size(12000), bytes(wav()[:3000]), bytes(wav()[:44]), with_size(0)[:44] + TAG]
)
def test_a_file_that_is_cut_off_is_refused_with_a_way_out(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(WaveformError) as error:
        read_header(path)
    assert "ffmpeg -i OLD.wav NEW.wav" in error.value.cure


@pytest.mark.parametrize(
    "kind", ["WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "VOC", "AVR", "SVX"]
)
def test_half_of_a_file_is_not_taken_for_the_whole(tmp_path: Path, kind: str) -> None:
    """Of every format that states a length."""
    path = tmp_path / f"a.{kind.lower()}"
    noise = np.random.default_rng(0).normal(0, 0.1, 16000)
    soundfile.write(path, noise, 16000, format=kind, subtype="PCM_16")
    assert (len(decode(path).waveform), read_header(path).remark) == (16000, "")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    # That a FLAC ends early shows only when it is decoded.
    for read in (decode,) if kind == "FLAC" else (read_header, decode):
        with pytest.raises(WaveformError, match=r"cut off|malformed|lost sync") as error:
            read(path)
        assert error.value.cure


def test_an_ogg_that_was_not_closed_is_read_with_a_remark(tmp_path: Path) -> None:
    path = tmp_path / "a.ogg"
    noise = np.random.default_rng(0).normal(0, 0.1, 160_000)
    soundfile.write(path, noise, 16000, format="OGG", subtype="VORBIS")
    assert read_header(path).remark == ""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 0 < len(decode(path).waveform) < 160_000
    assert "read to the end that is there" in read_header(path).remark
