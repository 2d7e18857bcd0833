"""Own recordings of any rate, length and sample format sound the same at 16 kHz."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from tfds_dcase.recordings import decode, read_header
from tfds_dcase.waveforms import WaveformError

Samples = npt.NDArray[np.float64]


def tone(frequency: float, rate: int, seconds: float = 1.0, amplitude: float = 0.5) -> Samples:
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)


def amplitude_at(frequency: float, waveform: npt.NDArray[np.int16]) -> float:
    """Amplitude of a tone in the middle of a waveform, in shares of full scale."""
    middle = waveform[2000:-2000] / 32768
    times = np.arange(len(middle)) / 16000
    window = np.hanning(len(middle))
    return float(
        2 * abs(np.sum(middle * window * np.exp(-2j * np.pi * frequency * times))) / window.sum()
    )


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 192000])
def test_a_tone_keeps_pitch_amplitude_and_length(rate: int, tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(1000, rate), rate, subtype="PCM_24")
    waveform = decode(path).waveform
    assert waveform.dtype == np.int16
    assert abs(len(waveform) - 16000) <= 1
    assert read_header(path).samples - len(waveform) in (0, 1)
    assert amplitude_at(1000, waveform) == pytest.approx(0.5, rel=0.01)
    # Nothing but the tone: no alias, no image, no seam between blocks.
    rest = waveform[500:-500] / 32768 - tone(1000, 16000)[500 : len(waveform) - 500]
    assert np.abs(rest).max() < 0.001


@pytest.mark.parametrize("rate", [44100, 48000, 192000])
@pytest.mark.parametrize("frequency", [8500, 11000, 15000, 20000])
def test_nothing_above_8_khz_aliases(rate: int, frequency: int, tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(frequency, rate, amplitude=0.9), rate, subtype="FLOAT")
    assert np.abs(decode(path).waveform[1000:-1000].astype(int)).max() <= 2


def noise(channels: int = 1, samples: int = 3000) -> npt.NDArray[np.int16]:
    found = np.random.default_rng(channels).integers(-32768, 32768, (samples, channels), np.int16)
    found[:2] = [[-32768], [32767]]
    return found


@pytest.mark.parametrize("ending", ["wav", "flac", "aiff", "WAV", "Flac"])
def test_16_khz_16_bit_comes_through_bit_for_bit(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"clip.{ending}"
    soundfile.write(path, noise(), 16000, subtype="PCM_16")
    decoded = decode(path)
    np.testing.assert_array_equal(decoded.waveform, noise()[:, 0])
    assert decoded.clipped == 0


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_channels_are_chosen_or_averaged(channels: int, tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    whole = noise(channels)
    soundfile.write(path, whole, 16000)
    np.testing.assert_array_equal(decode(path, "first").waveform, whole[:, 0])
    np.testing.assert_array_equal(decode(path, "mean").waveform, np.rint(whole.mean(axis=1)))
    everything = decode(path, "all").waveform
    np.testing.assert_array_equal(everything, whole[:, 0] if channels == 1 else whole)
    assert everything.ndim == min(channels, 2)
    if channels > 1:
        np.testing.assert_array_equal(decode(path, "second").waveform, whole[:, 1])
    else:
        with pytest.raises(WaveformError, match="has 1 channel, no second"):
            read_header(path, "second")


def test_channels_stay_apart_when_they_are_resampled(tmp_path: Path) -> None:
    """Four tones in four channels, resampled in one go."""
    path = tmp_path / "array.flac"
    tones = [500, 1000, 2000, 3000]
    soundfile.write(path, np.stack([tone(f, 48000, amplitude=0.3) for f in tones], 1), 48000)
    waveform = decode(path, "all").waveform
    assert waveform.shape == (16000, 4)
    heard = [[amplitude_at(f, waveform[:, c]) for f in tones] for c in range(4)]
    np.testing.assert_allclose(heard, 0.3 * np.eye(4), atol=0.003)


@pytest.mark.parametrize(
    ("name", "subtype"),
    [
        ("a.wav", "PCM_U8"),
        ("a.wav", "PCM_24"),
        ("a.wav", "PCM_32"),
        ("a.wav", "FLOAT"),
        ("a.wav", "DOUBLE"),
        ("a.flac", "PCM_24"),
        ("a.ogg", "VORBIS"),
    ],
)
def test_every_sample_format_has_the_same_full_scale(
    name: str, subtype: str, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / name, tone(1000, 16000), 16000, subtype=subtype)
    assert amplitude_at(1000, decode(tmp_path / name).waveform) == pytest.approx(0.5, rel=0.01)


def test_floats_are_rounded_and_what_is_beyond_full_scale_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    samples = np.array([0.6, -0.6, 1.4, -32768, 40000, -40000, 32768]) / 32768
    soundfile.write(path, samples, 16000, subtype="DOUBLE")
    decoded = decode(path)
    assert decoded.waveform.tolist() == [1, -1, 1, -32768, 32767, -32768, 32767]
    assert decoded.clipped == 2


def write_open_end(path: Path) -> None:
    """A wav as ffmpeg writes it into a pipe: its lengths are all ones."""
    soundfile.write(path, noise(), 16000)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff" * 4
    path.write_bytes(content)


def test_a_wav_that_came_through_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "piped.wav"
    write_open_end(path)
    assert read_header(path).samples == 3000
    np.testing.assert_array_equal(decode(path).waveform, noise()[:, 0])


def test_a_flac_that_keeps_its_length_back_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "piped.flac"
    soundfile.write(path, noise(), 16000)
    content = bytearray(path.read_bytes())
    content[22:26] = b"\0" * 4
    path.write_bytes(content)
    assert read_header(path).samples == 0
    np.testing.assert_array_equal(decode(path).waveform, noise()[:, 0])


def sparse_wav(path: Path, seconds: int, rate: int) -> None:
    """Silence that takes no room on the disk."""
    soundfile.write(path, np.zeros(0, np.int16), rate)
    size = 2 * seconds * rate
    header = bytearray(path.read_bytes())
    header[4:8] = (36 + size).to_bytes(4, "little")
    header[40:44] = size.to_bytes(4, "little")
    path.write_bytes(header[:44])
    with path.open("r+b") as file:
        file.truncate(44 + size)


PEAK = """
import resource, sys, pathlib
from tfds_dcase.recordings import decode
import soxr
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
decoded = decode(pathlib.Path(sys.argv[1]))
print(len(decoded.waveform), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_long_recording_is_decoded_in_bounded_memory(tmp_path: Path) -> None:
    """20 minutes at 192 kHz are 920 MB as floats; held are the 38 MB that come of them, and blocks."""
    path = tmp_path / "long.wav"
    sparse_wav(path, 1200, 192000)
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)], capture_output=True, text=True, check=True
    )
    samples, megabytes = map(int, done.stdout.split())
    assert samples == 1200 * 16000
    assert megabytes < 38 + 60


def test_more_than_an_hour_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "day.wav"
    sparse_wav(path, 3601, 8000)
    with pytest.raises(WaveformError, match="longer than an hour") as error:
        read_header(path)
    assert "Cut it into clips" in error.value.cure
    sparse_wav(path, 3600, 8000)
    assert read_header(path).samples == 3600 * 16000
