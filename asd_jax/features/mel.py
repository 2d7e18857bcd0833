"""Mel filterbanks in the two conventions that the published systems use."""

import functools
from typing import Literal

import numpy as np

MelScale = Literal["htk", "slaney"]

_SLANEY_HZ_PER_MEL = 200.0 / 3
_SLANEY_CORNER_HZ = 1000.0
_SLANEY_CORNER_MEL = _SLANEY_CORNER_HZ / _SLANEY_HZ_PER_MEL
_SLANEY_LOG_STEP = np.log(6.4) / 27.0


def hz_to_mel(frequency: np.ndarray, scale: MelScale) -> np.ndarray:
    """Frequency in Hz to mel: O'Shaughnessy's formula (HTK) or Slaney's Auditory Toolbox (linear below 1 kHz)."""
    frequency = np.asarray(frequency, np.float64)
    if scale == "htk":
        return 2595.0 * np.log10(1.0 + frequency / 700.0)
    linear = frequency / _SLANEY_HZ_PER_MEL
    ratio = np.maximum(frequency, _SLANEY_CORNER_HZ) / _SLANEY_CORNER_HZ
    logarithmic = _SLANEY_CORNER_MEL + np.log(ratio) / _SLANEY_LOG_STEP
    return np.where(frequency < _SLANEY_CORNER_HZ, linear, logarithmic)


def mel_to_hz(mel: np.ndarray, scale: MelScale) -> np.ndarray:
    """Inverse of `hz_to_mel`."""
    mel = np.asarray(mel, np.float64)
    if scale == "htk":
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)
    above = np.maximum(mel - _SLANEY_CORNER_MEL, 0.0)
    logarithmic = _SLANEY_CORNER_HZ * np.exp(_SLANEY_LOG_STEP * above)
    return np.where(mel < _SLANEY_CORNER_MEL, mel * _SLANEY_HZ_PER_MEL, logarithmic)


def band_centers(n_mels: int, f_min: float, f_max: float, scale: MelScale) -> np.ndarray:
    """Centre frequencies of the filters in Hz, `[n_mels]`."""
    low, high = hz_to_mel(np.array([f_min, f_max]), scale)
    return mel_to_hz(np.linspace(low, high, n_mels + 2)[1:-1], scale)


@functools.lru_cache(maxsize=32)
def mel_filterbank(
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    f_min: float,
    f_max: float,
    scale: MelScale,
    area_norm: bool,
) -> np.ndarray:
    """Triangular filters, evenly spaced in mel.

    Args:
        sample_rate: Hz.
        n_fft: points of the Fourier transform.
        n_mels: filters.
        f_min: lower edge of the first filter in Hz.
        f_max: upper edge of the last filter in Hz.
        scale: mel convention.
        area_norm: divide each filter by half its width in Hz, so that every filter has the same area.

    Returns:
        `[n_fft // 2 + 1, n_mels]` float32.

    Raises:
        ValueError: the band edges do not lie in 0 <= f_min < f_max <= sample_rate / 2.
    """
    if not 0 <= f_min < f_max <= sample_rate / 2:
        raise ValueError(
            f"mel band {f_min}-{f_max} Hz does not fit a sample rate of {sample_rate} Hz: "
            f"choose 0 <= f_min < f_max <= {sample_rate / 2}"
        )
    bins = np.linspace(0.0, sample_rate / 2, n_fft // 2 + 1)
    lowest, highest = hz_to_mel(np.array([f_min, f_max]), scale)
    mel_edges = np.linspace(lowest, highest, n_mels + 2)
    edges = mel_to_hz(mel_edges, scale)
    widths = np.diff(edges)
    distance = edges[None, :] - bins[:, None]
    rising = -distance[:, :-2] / widths[:-1]
    falling = distance[:, 2:] / widths[1:]
    filters = np.maximum(0.0, np.minimum(rising, falling))
    if area_norm:
        filters *= 2.0 / (edges[2:] - edges[:-2])
    return filters.astype(np.float32)
