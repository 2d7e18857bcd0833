"""What log-mel features promise beyond parity: shapes, errors, independence of the batch."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asd_jax.features.logmel import (
    LogMel,
    scale_to_range,
    stack_frames,
    waveform_from_int16,
)
from asd_jax.features.mel import MelScale, hz_to_mel, mel_filterbank, mel_to_hz
from asd_jax.nn.framing import frame

PRESETS = [LogMel.stgram(), LogMel.aegan(), LogMel.dcase2020(64), LogMel.dcase2021(128)]


def noise(clips: int, samples: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, (clips, samples)).astype(np.float32)


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_mel_to_hz_inverts_hz_to_mel(scale: MelScale) -> None:
    frequency = np.linspace(0, 8000, 1001)
    mel = hz_to_mel(frequency, scale)
    assert np.all(np.diff(mel) > 0)
    np.testing.assert_allclose(mel_to_hz(mel, scale), frequency, rtol=1e-12, atol=1e-9)


def test_mel_scales_at_known_points() -> None:
    """HTK: 1000 Hz is 1000 mel; Slaney: 1000 Hz is 15 mel and 6400 Hz 27 steps more."""
    assert hz_to_mel(np.array(1000.0), "htk") == pytest.approx(1000, abs=0.02)
    np.testing.assert_allclose(hz_to_mel(np.array([200, 1000, 6400]), "slaney"), [3, 15, 42])


@pytest.mark.parametrize(("f_min", "f_max"), [(-1, 8000), (0, 8001), (4000, 4000), (5000, 100)])
def test_band_edges_outside_the_spectrum_are_refused(f_min: float, f_max: float) -> None:
    with pytest.raises(ValueError, match=r"does not fit a sample rate of 16000 Hz: choose 0 <="):
        mel_filterbank(16000, 1024, 128, f_min, f_max, "htk", False)


def test_area_normalised_filters_have_equal_area() -> None:
    filters = mel_filterbank(16000, 8192, 20, 100.0, 8000.0, "slaney", True)
    np.testing.assert_allclose(filters.sum(0) * 16000 / 8192, 1.0, rtol=2e-3)


def test_filters_stay_between_the_band_edges() -> None:
    filters = mel_filterbank(16000, 1024, 32, 500.0, 4000.0, "htk", False)
    audible = np.linspace(0, 8000, 513)[filters.any(axis=1)]
    assert audible.min() > 500
    assert audible.max() < 4000
    assert 0.5 < filters.max() <= 1


@pytest.mark.parametrize("front_end", PRESETS)
@pytest.mark.parametrize("samples", [16000, 16383, 16384])
def test_shape_contract(front_end: LogMel, samples: int) -> None:
    level = jax.eval_shape(front_end, jax.ShapeDtypeStruct((3, samples), jnp.float32))
    assert level.shape == (3, samples // 512 + 1, front_end.n_mels)
    assert level.shape[1] == front_end.frames(samples)
    assert level.dtype == jnp.float32


def test_a_clip_too_short_to_reflect_is_refused() -> None:
    with pytest.raises(ValueError, match=r"clip of 512 samples is too short .* more than 512"):
        LogMel.stgram()(jnp.zeros((1, 512)))
    assert LogMel.stgram()(jnp.zeros((1, 513))).shape == (1, 2, 128)


@pytest.mark.parametrize("front_end", [LogMel.stgram(), LogMel.aegan()])
def test_a_clip_does_not_depend_on_its_batch(front_end: LogMel) -> None:
    clips = noise(3, 8000)
    together = jax.jit(front_end)(clips)
    for i in range(3):
        np.testing.assert_array_equal(jax.jit(front_end)(clips[i : i + 1])[0], together[i])


@pytest.mark.parametrize(
    ("front_end", "floor_db"),
    [(LogMel.stgram(), -100), (LogMel.dcase2020(), -156.5356), (LogMel.dcase2021(), -156.5356)],
)
def test_digital_silence_is_the_floor(front_end: LogMel, floor_db: float) -> None:
    level = front_end(jnp.zeros((1, 4096)))
    assert np.unique(level) == pytest.approx(floor_db, abs=2e-5)


def test_added_and_clamped_floor_differ_only_near_the_floor() -> None:
    quiet, loud = np.full((1, 1), 1e-8, np.float32), np.ones((1, 1), np.float32)
    clips = np.concatenate([quiet * noise(1, 4096), loud * noise(1, 4096)])
    added, clamped = LogMel.dcase2020()(jnp.asarray(clips)), LogMel.dcase2021()(jnp.asarray(clips))
    assert np.abs(added - clamped)[0].max() > 0.1
    np.testing.assert_allclose(added[1], clamped[1], atol=1e-4)


def test_top_db_limits_each_clip_below_its_own_maximum() -> None:
    gain = np.where(np.arange(8000) < 4000, [[1.0], [0.1]], 1e-6)
    clips = jnp.asarray(noise(2, 8000) * gain, jnp.float32)
    level = np.asarray(LogMel.aegan()(clips))
    np.testing.assert_allclose(level.min((1, 2)), level.max((1, 2)) - 80, atol=1e-4)
    unlimited = np.asarray(dataclasses.replace(LogMel.aegan(), top_db=0.0)(clips))
    assert np.all(unlimited.min((1, 2)) < level.min((1, 2)) - 1)


def test_scale_to_range_maps_the_extremes_to_one() -> None:
    level = jnp.array([-60.0, -10.0, 40.0, 65.0])
    np.testing.assert_allclose(scale_to_range(level, -60, 40), [-1, 0, 1, 1.5], atol=1e-6)


def test_int16_is_scaled_to_minus_one_to_one() -> None:
    samples = jnp.array([[-32768, 0, 16384, 32767]], jnp.int16)
    np.testing.assert_array_equal(waveform_from_int16(samples), [[-1, 0, 0.5, 32767 / 32768]])


@pytest.mark.parametrize(("length", "hop"), [(8, 4), (8, 8), (8, 3), (7, 2), (4, 6)])
def test_frame_cuts_all_whole_frames(length: int, hop: int) -> None:
    """Also where the hop does not divide the frame, and where frames do not touch."""
    waveform = np.arange(50, dtype=np.float32).reshape(2, 25)
    windows = np.lib.stride_tricks.sliding_window_view(waveform, length, axis=1)[:, ::hop]
    np.testing.assert_array_equal(frame(jnp.asarray(waveform), length, hop), windows)


def test_frame_refuses_a_waveform_below_one_frame() -> None:
    with pytest.raises(ValueError, match="7 samples holds no frame of 8"):
        frame(jnp.zeros((1, 7)), 8, 4)


def test_stack_frames_orders_the_earliest_frame_first() -> None:
    level = jnp.arange(12.0).reshape(1, 6, 2)
    stacked = stack_frames(level, 3, hop=2)
    np.testing.assert_array_equal(stacked, [[[0, 1, 2, 3, 4, 5], [4, 5, 6, 7, 8, 9]]])


def test_stack_frames_of_a_short_clip_is_empty() -> None:
    assert stack_frames(jnp.zeros((2, 4, 8)), 5).shape == (2, 0, 40)
    assert stack_frames(jnp.zeros((2, 5, 8)), 5).shape == (2, 1, 40)


@pytest.mark.parametrize(
    "features", [LogMel.stgram(), LogMel.aegan(), LogMel(f_min=200, f_max=4000)]
)
def test_band_centers_are_where_the_filters_peak(features: LogMel) -> None:
    """A tone at a band's centre is loudest in that band."""
    bands = np.array([features.n_mels // 3, features.n_mels // 2, features.n_mels - 2])
    time = np.arange(16000) / features.sample_rate
    tones = np.sin(2 * np.pi * features.band_centers()[bands, None] * time).astype(np.float32)
    level = np.asarray(features(jnp.asarray(tones)))
    loudest = level[:, level.shape[1] // 2].argmax(axis=1)
    assert np.abs(loudest - bands).max() <= 1
