"""Decodes own recordings of any rate, length and sample format to 16 kHz int16."""

import contextlib
import dataclasses
import importlib.util
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from tfds_dcase.layouts import SAMPLE_RATE
from tfds_dcase.unfinished_wav import finished
from tfds_dcase.waveforms import WaveformError, length_fault

CHANNELS = ("mean", "first", "second", "all")
# fmt: off
SUFFIXES = (
    ".wav", ".flac", ".ogg", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".oga",
    ".opus", ".mp2", ".wave", ".bwf", ".rf64", ".w64", ".voc", ".nist", ".sph", ".ircam", ".avr",
    ".paf", ".pvf", ".htk", ".svx", ".8svx",
)
"""Endings of the formats that libsndfile decodes."""
OTHER_SOUND = (
    ".m4a", ".m4b", ".mp4", ".aac", ".alac", ".wma", ".asf", ".wmv", ".mov", ".avi", ".mkv",
    ".mka", ".webm", ".weba", ".3gp", ".3g2", ".amr", ".awb", ".ac3", ".eac3", ".dts", ".ape",
    ".wv", ".tta", ".tak", ".mpc", ".dsf", ".dff", ".spx", ".ra", ".rm", ".mpg", ".mpeg", ".mts",
    ".flv", ".gsm", ".raw", ".pcm",
)
"""Endings of files that hold sound in formats that libsndfile does not decode."""
# fmt: on
LONGEST_SECONDS = 3600

# A record is one protobuf message, which must stay below 2 GB.
_LARGEST_WAVEFORM = 1 << 30
_BLOCK_VALUES = 1 << 19
_FULL_SCALE = 32768.0
# libsndfile's number of frames where the header keeps it back, as flac does that came through a pipe.
_UNTOLD = 1 << 62
# What programs write into a wav header that cannot know the length yet, as ffmpeg into a pipe.
_OPEN_END = re.compile(r"^has a wrong header or is cut off: 4294967295 bytes promised")
# An Ogg file that a recorder did not close.
_NO_END = re.compile(r"^Ogg: Last page lacks an end-of-stream bit", re.MULTILINE)
_CONVERT = "Convert it to wav or flac with a program that plays it, or remove it"
_AGAIN = (
    "Copy or record it again; if its recorder was stopped, keep what is there by: ffmpeg -i OLD.wav "
    "NEW.wav; or remove it"
)
_CUT = "Cut it into clips of the length that is to be judged, 10 s for example"

_Samples = npt.NDArray[np.float32]
_Resampler = Callable[[_Samples, bool], _Samples]


@dataclasses.dataclass(frozen=True)
class Header:
    """What a file tells before it is decoded.

    Attributes:
        rate: Hz.
        channels: How many.
        samples: Length at 16 kHz; 0 where the header keeps it back.
        remark: What the header lacks that reading does without; empty as a rule.
    """

    rate: int
    channels: int
    samples: int
    remark: str = ""


@dataclasses.dataclass(frozen=True)
class Decoded:
    """A recording at 16 kHz.

    Attributes:
        waveform: int16 `[samples]`, or `[samples, channels]` of several channels.
        clipped: How many of its samples lay beyond full scale and were set to it.
    """

    waveform: npt.NDArray[np.int16]
    clipped: int


def kept_channels(channels: int, channel: str) -> int:
    """How many channels are left of a file's when `channel` is chosen."""
    return channels if channel == "all" else 1


def can_resample() -> bool:
    """Whether soxr is installed, which recordings at other rates than 16 kHz need."""
    return importlib.util.find_spec("soxr") is not None


def read_header(path: Path, channel: str = "mean") -> Header:
    """Reads a file's header.

    Args:
        path: A file that libsndfile reads.
        channel: The choice among its channels, one of `CHANNELS`.

    Raises:
        WaveformError: It cannot be read, is empty, cut off, longer than an hour or has no such channel.
    """
    with _opened(path) as file:
        _require_length(file)
        if file.frames == 0:
            raise WaveformError("is empty (0 samples)", _AGAIN)
        if channel == "second" and file.channels == 1:
            raise WaveformError("has 1 channel, no second", "Choose channel=mean or first")
        told = file.frames < _UNTOLD
        samples = math.ceil(file.frames * SAMPLE_RATE / file.samplerate) if told else 0
        _check_length(samples, kept_channels(file.channels, channel))
        return Header(file.samplerate, file.channels, samples, header_remark(path))


def _require_length(file: soundfile.SoundFile) -> None:
    fault = length_fault(file)
    if fault and not _OPEN_END.match(fault):
        raise WaveformError(fault, _AGAIN)


def header_remark(path: Path) -> str:
    """What is missing in a file's header that reading it does without; empty where nothing is."""
    if finished(path) is not None:
        return "its header was never finished (a recorder that was stopped): read to the end that is there"
    with _opened(path) as file:
        if _NO_END.search(file.extra_info):
            return "its last page is missing (it was cut off or never finished): read to the end that is there"
    return ""


def decode(path: Path, channel: str = "mean") -> Decoded:
    """Decodes a recording block by block: only its waveform at 16 kHz is held as a whole.

    A file of 16 kHz and 16 bit comes through bit for bit unless its channels are mixed.

    Args:
        path: A file that libsndfile reads.
        channel: `mean` of its channels, `first`, `second`, or `all`.

    Raises:
        WaveformError: It cannot be read, is cut off, longer than an hour, empty, or holds NaN.
    """
    with _opened(path) as file:
        _require_length(file)
        kept = kept_channels(file.channels, channel)
        resample = _resampler(file.samplerate, kept)
        samples = bytearray()
        clipped = 0
        for block, is_last in _blocks(file):
            converted, beyond = _as_int16(resample(_chosen(block, channel), is_last))
            samples += converted.tobytes()
            clipped += beyond
            _check_length(len(samples) // (2 * kept), kept)
    if not samples:
        raise WaveformError("is empty (0 samples at 16 kHz)", _AGAIN)
    waveform = np.frombuffer(samples, np.int16)
    return Decoded(waveform if kept == 1 else waveform.reshape(-1, kept), clipped)


class _InOneGo(soundfile.SoundFile):
    """Reads from beginning to end: seeking after every block fails where a length is not told."""

    def seekable(self) -> bool:
        return False


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    try:
        # libsndfile does not tell why a file cannot be opened.
        with path.open("rb", buffering=0) as content:
            if not content.read(1):
                raise WaveformError("is empty (0 bytes)", _AGAIN)
            content.seek(0)
            mended = finished(path)
            if mended is not None:
                with _InOneGo(mended) as file:
                    yield file
                return
            # Of a path libsndfile takes a Mac's `._` file beside an mp3 for its content.
            with _InOneGo(content.fileno(), closefd=False) as file:
                yield file
    except OSError as error:
        cure = "Give yourself the permission to read it, or remove it"
        raise WaveformError(f"cannot be read ({error.strerror})", cure) from error
    except soundfile.LibsndfileError as error:
        reason = error.error_string or "its content is damaged or cut off"
        raise WaveformError(f"is no readable audio file ({reason})", _CONVERT) from error


def _check_length(samples: int, kept: int) -> None:
    if samples > LONGEST_SECONDS * SAMPLE_RATE:
        raise WaveformError("is longer than an hour", _CUT)
    if 2 * samples * kept > _LARGEST_WAVEFORM:
        raise WaveformError(f"is too long for {kept} channels", _CUT)


def _blocks(file: soundfile.SoundFile) -> Iterator[tuple[_Samples, bool]]:
    """The file in pieces of `[frames, channels]`, and whether a piece is the last; that one is empty."""
    frames = max(_BLOCK_VALUES // file.channels, 1)
    done = 0
    while len(block := file.read(frames, dtype="float32", always_2d=True)):
        if not np.isfinite(block).all():
            first = done + int(np.argmin(np.isfinite(block).all(axis=1)))
            what = f"holds NaN or infinite samples, the first at {first / file.samplerate:.3f} s"
            raise WaveformError(what, "Export it again without them, or remove it")
        done += len(block)
        yield block, False
    if done != file.frames < _UNTOLD:
        what = f"has a wrong header or is cut off: {file.frames} samples promised, {done} there"
        raise WaveformError(what, _AGAIN)
    yield np.empty((0, file.channels), np.float32), True


def _chosen(block: _Samples, channel: str) -> _Samples:
    if channel == "all":
        return block
    if channel == "mean" and block.shape[1] > 1:
        return block.mean(axis=1, keepdims=True)
    place = 1 if channel == "second" else 0
    return np.ascontiguousarray(block[:, place : place + 1])


def _resampler(rate: int, channels: int) -> _Resampler:
    """Takes the pieces of a recording in turn to 16 kHz, with no seam between them."""
    if rate == SAMPLE_RATE:
        return lambda block, is_last: block
    import soxr  # Years do without it, and so do recordings at 16 kHz.

    return soxr.ResampleStream(rate, SAMPLE_RATE, channels, "float32", "HQ").resample_chunk


def _as_int16(block: _Samples) -> tuple[npt.NDArray[np.int16], int]:
    beyond = int(np.count_nonzero(np.abs(block) > 1))
    samples = np.rint(block * _FULL_SCALE).clip(-_FULL_SCALE, _FULL_SCALE - 1)
    return samples.astype(np.int16), beyond
