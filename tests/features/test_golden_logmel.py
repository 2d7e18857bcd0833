"""Log-mel parity with the features that the published code computes of the same clips.

Bars: 1e-3 dB; 2e-2 dB for bins more than 90 dB below their clip's maximum; digital silence exactly.
"""

import dataclasses
import re
from pathlib import Path

import jax
import numpy as np
import pytest

from asd_jax.features.logmel import LogMel, scale_to_range, stack_frames

_LAST_DIGIT = 2 * float(np.finfo(np.float32).eps)

pytestmark = pytest.mark.golden

Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def recorded(shared: Path) -> Arrays:
    """All arrays of all feature files; `wav` are the clips."""
    found: Arrays = {}
    for path in sorted((shared / "golden").glob("feat_*.npz")):
        with np.load(path, allow_pickle=False) as arrays:
            found |= {key: arrays[key] for key in arrays.files}
    if "wav" not in found:
        pytest.skip(f"no recorded features in {shared / 'golden'}")
    return found


def matching(recorded: Arrays, pattern: str) -> list[re.Match[str]]:
    found = [match for key in recorded if (match := re.fullmatch(pattern, key))]
    if not found:
        pytest.skip(f"no array {pattern} among the recorded features")
    return found


def baseline(year: str, mels: str) -> LogMel:
    preset = {"2020": LogMel.dcase2020, "2021": LogMel.dcase2021}[year]
    return preset(int(mels))


def images(level: jax.Array) -> np.ndarray:
    """`[batch, frames, mels]` to the recorded `[batch, mels, frames]`."""
    return np.swapaxes(np.asarray(level), 1, 2)


def assert_same_level(ours: np.ndarray, golden: np.ndarray, silent: np.ndarray, name: str) -> None:
    """The bars, for `[clips, mels, frames]` in dB."""
    assert ours.shape == golden.shape, name
    deep = golden < golden.max(axis=(1, 2), keepdims=True) - 90
    difference = np.abs(ours - golden)
    assert difference[~deep].max() <= 1e-3, name
    assert difference[deep].max(initial=0) <= 2e-2, name
    # Processors round a logarithm's last digit in their own ways.
    np.testing.assert_allclose(ours[silent], golden[silent], rtol=_LAST_DIGIT, err_msg=name)


def in_float64(waveform: np.ndarray, front_end: LogMel, filterbank: np.ndarray) -> np.ndarray:
    """STgram's definition, straight from its formula: `[clips, mels, frames]` in dB."""
    half = front_end.n_fft // 2
    padded = np.pad(waveform.astype(np.float64), ((0, 0), (half, half)), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, front_end.n_fft, axis=1)
    spectrum = np.fft.rfft(frames[:, :: front_end.hop] * np.hanning(front_end.n_fft + 1)[:-1])
    power = np.abs(spectrum) ** 2 @ filterbank.astype(np.float64)
    return np.swapaxes(10 * np.log10(np.maximum(power, front_end.floor)), 1, 2)


def test_stgram_log_mel(recorded: Arrays) -> None:
    """Ours is the exact value everywhere; torchaudio's, recorded in float32, is not.

    torchaudio transforms in float32, which moves bins 60 to 100 dB below a loud tone by up to 5e-3 dB, and rounds its
    filterbank (1.3e-5 relative). So ours must equal a float64 computation to 1e-3 dB everywhere, equal the recording
    to 1e-3 dB in 99.8 % of the bins, and differ from it elsewhere by no more than it differs from the float64
    computation with its own filterbank.
    """
    matching(recorded, "stgram/logmel")
    golden, filterbank = recorded["stgram/logmel"], recorded["stgram/mel_fb"]
    front_end = dataclasses.replace(LogMel.stgram(), n_mels=golden.shape[1])
    ours = images(jax.jit(front_end)(recorded["wav"]))
    exact = in_float64(recorded["wav"], front_end, front_end._filterbank())
    exact_of_golden = in_float64(recorded["wav"], front_end, filterbank)
    assert np.abs(ours - exact).max() <= 1e-3

    difference = np.abs(ours - golden)
    assert np.mean(difference <= 1e-3) >= 0.998
    rounded_filterbank = np.abs(exact - exact_of_golden)
    assert rounded_filterbank.max() <= 1e-2
    golden_error = np.abs(golden - exact_of_golden)
    assert np.all(difference <= 1e-3 + golden_error + rounded_filterbank)
    silent = golden == recorded["stgram/floor_db"]
    np.testing.assert_allclose(ours[silent], golden[silent], rtol=_LAST_DIGIT)


def test_aegan_log_mel(recorded: Arrays) -> None:
    """librosa's mel with 2048-point frames, without and with the 80 dB limit, and scaled to [-1, 1]."""
    matching(recorded, "aegan/logmel_db_top80")
    golden = recorded["aegan/logmel_db_top80"]
    front_end = dataclasses.replace(LogMel.aegan(), n_mels=golden.shape[1])
    level = jax.jit(front_end)(recorded["wav"])
    no_silence = np.zeros(golden.shape, bool)
    assert_same_level(images(level), golden, no_silence, "top_db")

    unlimited = images(jax.jit(dataclasses.replace(front_end, top_db=0.0))(recorded["wav"]))
    silent = recorded["aegan/mel_power"] == 0
    assert_same_level(unlimited, recorded["aegan/logmel_db_no_top"], silent, "no top_db")

    maximum, minimum = map(float, recorded["aegan/scale_max_min"])
    scaled = images(scale_to_range(level, minimum, maximum))
    tolerance = 1e-3 / ((maximum - minimum) / 2)
    np.testing.assert_allclose(scaled, recorded["aegan/scaled"], rtol=0, atol=tolerance)


def test_baseline_log_mels(recorded: Arrays) -> None:
    """Every recorded year and number of mels of the DCASE baselines."""
    for match in matching(recorded, r"dcase/logmel_(20\d\d)_(\d+)"):
        ours = images(jax.jit(baseline(match[1], match[2]))(recorded["wav"]))
        silent = recorded[f"dcase/mel_power_{match[2]}"] == 0
        assert_same_level(ours, recorded[match[0]], silent, match[0])


def test_stacked_frames(recorded: Arrays) -> None:
    """The autoencoder's input vectors: which mels stand where, how many vectors, and the hop."""
    pattern = r"dcase/stack(\d+)_(20\d\d)_(\d+)_clip(\d+)_every(\d+)"
    for match in matching(recorded, pattern):
        n_frames, year, mels, clip, every = match.groups()
        level = jax.jit(baseline(year, mels))(recorded["wav"])
        vectors = np.asarray(stack_frames(level, int(n_frames)))[int(clip)]
        assert vectors.shape == tuple(recorded[f"dcase/stack{n_frames}_shape_{mels}"])
        np.testing.assert_allclose(vectors[:: int(every)], recorded[match[0]], rtol=0, atol=1e-3)
        hopped = stack_frames(level, int(n_frames), int(every))[int(clip)]
        np.testing.assert_array_equal(hopped, vectors[:: int(every)])


def test_stacked_images(recorded: Arrays) -> None:
    """MobileNetV2's input images are stacked frames too; the recording keeps every few of them."""
    for match in matching(recorded, r"dcase/stack(\d+)_hop(\d+)_images_clip(\d+)"):
        n_frames, hop, clip = map(int, match.groups())
        golden = recorded[match[0]]
        mels = golden.shape[2]
        level = jax.jit(LogMel.dcase2021(mels))(recorded["wav"])
        assert (
            tuple(recorded[f"dcase/stack{n_frames}_shape_test"])
            == (stack_frames(level, n_frames).shape[1:])
        )
        stacked = np.asarray(stack_frames(level, n_frames, hop))[clip].reshape(-1, n_frames, mels)
        assert len(stacked) == recorded[f"dcase/stack{n_frames}_hop{hop}_count"]
        kept = stacked[:: len(stacked) // len(golden)]
        np.testing.assert_allclose(kept, golden[..., 0], rtol=0, atol=1e-3)


def test_reflected_edges(recorded: Arrays) -> None:
    """`reflect=True` gives the edge frames of the librosa that the published code pinned."""
    pattern = r"(aegan|dcase)/mel_power_(?:(\d+)_clip(\d+)_)?reflect_pad_edges"
    for match in matching(recorded, pattern):
        golden = recorded[match[0]]
        preset = LogMel.aegan() if match[1] == "aegan" else LogMel.dcase2021()
        front_end = dataclasses.replace(preset, reflect=True, n_mels=golden.shape[-2])
        power = images(jax.jit(front_end.mel_power)(recorded["wav"]))
        ours = power if match[3] is None else power[int(match[3])]
        side = golden.shape[-1] // 2
        edges = np.concatenate([ours[..., :side], ours[..., -side:]], axis=-1)
        floor = front_end.floor
        levels = [10 * np.log10(np.maximum(value, floor)) for value in (edges, golden)]
        np.testing.assert_allclose(levels[0], levels[1], rtol=0, atol=1e-3, err_msg=match[0])


def test_filterbanks(recorded: Arrays) -> None:
    """Filterbanks equal librosa's to rounding, and torchaudio's to its own float32 rounding."""
    for match in matching(recorded, r"(stgram|aegan|dcase)/mel_fb(?:_(\d+))?"):
        golden = recorded[match[0]]
        preset = {"stgram": LogMel.stgram, "aegan": LogMel.aegan, "dcase": LogMel.dcase2021}
        bins = preset[match[1]]().n_fft // 2 + 1
        golden = golden if golden.shape[0] == bins else golden.T
        front_end = dataclasses.replace(preset[match[1]](), n_mels=golden.shape[1])
        error = np.abs(front_end._filterbank() - golden).max() / golden.max()
        assert error <= (2e-5 if match[1] == "stgram" else 2e-7), match[0]
