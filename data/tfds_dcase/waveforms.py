"""Decodes a clip's wav bytes, refusing everything that is not the field's audio format."""

import hashlib
import io
import re

import numpy as np
import numpy.typing as npt
import soundfile

from tfds_dcase.layouts import SAMPLE_RATE

_AGAIN = "Download or pack the archive again"

# libsndfile reads what is there and keeps quiet; only its log tells that the header promised
# something else ("data : 320000 (should be 1000)", or data left over behind the promised end).
# What libsndfile notes of wav and aiff, of au, of svx; and of W64, whose other chunks it does not compare.
_SHORT_DATA = re.compile(
    r"^ *(?:data|SSND|Data Size|BODY|(?-i:riff)) +?: (\d+) \(should be (\d+)\)", re.MULTILINE
)
_SHORT_VOC = re.compile(r"^Seems to be a truncated file", re.MULTILINE)
# RF64 and AVR tell a number of frames.
_FRAMES = re.compile(r"(?:'ds64' chunk of |^  Frames +: )(\d+)", re.MULTILINE)
_LEFT_OVER = re.compile(r"^\*\*\* .*Exiting parser", re.MULTILINE)


class WaveformError(ValueError):
    """The audio of one clip is not what it must be.

    Attributes:
        cure: What to do about it.
    """

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(what)
        self.cure = cure


def decode_wav(wav: bytes, channels: int = 1) -> npt.NDArray[np.int16]:
    """Decodes a 16 kHz 16-bit PCM wav file.

    Args:
        wav: The file's content.
        channels: How many it must have.

    Returns:
        Samples, int16 `[samples]`, or `[samples, channels]` of several channels.

    Raises:
        WaveformError: The file is no wav, lies about its length, is empty or has another sample
            rate, sample format or number of channels.
    """
    try:
        with soundfile.SoundFile(io.BytesIO(wav)) as file:
            _check_format(file, channels)
            waveform = file.read(dtype="int16")
            _check_length(file)
    except soundfile.LibsndfileError as error:
        raise WaveformError(f"is no readable wav file ({error.error_string})", _AGAIN) from error
    return waveform


def content_hash(waveform: npt.NDArray[np.int16]) -> str:
    """SHA-256 of the samples as little-endian int16, channels interleaved: 64 hexadecimal digits."""
    samples = np.ascontiguousarray(waveform, "<i2")
    return hashlib.sha256(samples.data).hexdigest()


def _check_format(file: soundfile.SoundFile, channels: int) -> None:
    wanted = "mono" if channels == 1 else f"{channels}-channel"
    convert = f"Convert the clip to 16 kHz 16-bit {wanted} PCM and pack the archive again"
    if file.format not in ("WAV", "WAVEX"):
        raise WaveformError(f"is a {file.format} file, not wav", convert)
    if file.subtype != "PCM_16":
        raise WaveformError(f"has samples of kind {file.subtype}, not 16-bit PCM_16", convert)
    if file.samplerate != SAMPLE_RATE:
        raise WaveformError(f"has a sample rate of {file.samplerate} Hz, not 16000", convert)
    if file.channels != channels:
        raise WaveformError(f"has {file.channels} channels, not {channels}", convert)


def length_fault(file: soundfile.SoundFile) -> str | None:
    """How the header's length differs from what is there; None where they agree or that is untold."""
    log = file.extra_info
    if short := _SHORT_DATA.search(log):
        promised, there = short.groups()
        return f"has a wrong header or is cut off: {promised} bytes promised, {there} there"
    if _SHORT_VOC.search(log):
        return "is cut off: its last block is not whole"
    if file.format in ("RF64", "AVR") and (told := _FRAMES.search(log)):
        promised = told[1]
        if int(promised) > file.frames:
            return f"has a wrong header or is cut off: {promised} samples promised, {file.frames} there"
    if _LEFT_OVER.search(log):
        return f"has a wrong header: bytes follow the {file.frames} samples that it promises"
    return None


def _check_length(file: soundfile.SoundFile) -> None:
    if fault := length_fault(file):
        raise WaveformError(fault, _AGAIN)
    if file.frames == 0:
        raise WaveformError("is empty (0 samples)", "Remove the clip, or download it again")
