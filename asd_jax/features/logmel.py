"""Waveform to log-mel, inside jit, in the variants of the published systems.

Shape contract of every transform here: `[batch, samples]` float32 in [-1, 1) to `[batch, frames, mels]` in dB, with
`frames = samples // hop + 1` (frames are centred).
"""

import dataclasses
import math
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from asd_jax.features.mel import MelScale, band_centers, mel_filterbank
from asd_jax.nn.framing import frame
from asd_jax.ranges import Bands, Count, FrameSize, NonNegative, Positive, SampleRate

DOUBLE_EPSILON = float(np.finfo(np.float64).eps)
_INT16_STEPS = 32768.0

Compression = Literal["clamp", "add"]
"""How the logarithm is kept finite: 10 log10(max(x, floor)) or 10 log10(x + floor)."""

Silence = Literal["nearest", "numpy"]
"""How the level of digital silence is rounded to float32: correctly, or by NumPy's float32 logarithm."""


def waveform_from_int16(waveform: jax.Array) -> jax.Array:
    """16-bit samples to float32 in [-1, 1); only int16 travels to the device."""
    return waveform.astype(jnp.float32) / _INT16_STEPS


@dataclasses.dataclass(frozen=True)
class LogMel:
    """Log-mel spectrogram; `stgram`, `aegan`, `dcase2020` and `dcase2021` give the published settings.

    Attributes:
        sample_rate: Hz.
        n_fft: samples a frame, Hann window of the same length.
        hop: samples between frames.
        n_mels: mel bands.
        f_min: lower edge of the lowest band in Hz.
        f_max: upper edge of the highest band in Hz; 0 means half the sample rate.
        mel_scale: "htk" or "slaney".
        area_norm: filters of equal area (Slaney's normalisation) instead of equal height.
        reflect: pad the ends by reflection; otherwise with zeros.
        compression: "clamp" or "add".
        floor: power below which, or by which, the logarithm is kept finite.
        silence: "nearest" or "numpy", whose last digit librosa's features have.
        top_db: limit below the clip's maximum in dB; 0 for none.
    """

    sample_rate: SampleRate = 16000
    n_fft: FrameSize = 1024
    hop: Count = 512
    n_mels: Bands = 128
    f_min: NonNegative = 0.0
    f_max: NonNegative = 0.0
    mel_scale: MelScale = "slaney"
    area_norm: bool = True
    reflect: bool = False
    compression: Compression = "clamp"
    floor: Positive = 1e-10
    silence: Silence = "nearest"
    top_db: NonNegative = 0.0

    @classmethod
    def stgram(cls) -> "LogMel":
        """STgram-MFN (Liu et al. 2022): torchaudio's HTK mel without normalisation."""
        return cls(mel_scale="htk", area_norm=False, reflect=True)

    @classmethod
    def aegan(cls) -> "LogMel":
        """AEGAN-AD (Jiang et al. 2023): librosa's mel with 2048-point frames and 80 dB of range."""
        return cls(n_fft=2048, silence="numpy", top_db=80.0)

    @classmethod
    def dcase2020(cls, n_mels: int = 128) -> "LogMel":
        """Baseline of DCASE 2020 Task 2: librosa's mel, epsilon added under the logarithm."""
        return cls(n_mels=n_mels, compression="add", floor=DOUBLE_EPSILON, silence="numpy")

    @classmethod
    def dcase2021(cls, n_mels: int = 128) -> "LogMel":
        """Baselines of DCASE 2021 and later: as 2020, but clamped at epsilon."""
        return cls(n_mels=n_mels, floor=DOUBLE_EPSILON, silence="numpy")

    def faults(self) -> list[str]:
        """What does not fit together; see `ranges.require_in_range`."""
        highest, half = self.f_max or self.sample_rate / 2, self.sample_rate / 2
        found = []
        if not self.f_min < highest <= half:
            found.append(
                f"f_min={self.f_min:g} and f_max={self.f_max:g}: must rise, to at most {half:g} Hz"
            )
        if self.n_mels > self.n_fft // 2 + 1:
            found.append(f"n_mels={self.n_mels}: n_fft={self.n_fft} has {self.n_fft // 2 + 1} bins")
        return found

    def frames(self, samples: int) -> int:
        """Frames of a clip of that many samples."""
        return samples // self.hop + 1

    def band_centers(self) -> np.ndarray:
        """Centre frequencies of the mel bands in Hz, `[mels]`."""
        return band_centers(
            self.n_mels, self.f_min, self.f_max or self.sample_rate / 2, self.mel_scale
        )

    def mel_power(self, waveform: jax.Array) -> jax.Array:
        """Mel-filtered power spectrogram: `[batch, samples]` to `[batch, frames, mels]`.

        Raises:
            ValueError: the clip is too short to be padded by reflection.
        """
        half = self.n_fft // 2
        if self.reflect and waveform.shape[1] <= half:
            raise ValueError(
                f"a clip of {waveform.shape[1]} samples is too short for frames of {self.n_fft}: "
                f"give clips of more than {half} samples"
            )
        return lax.platform_dependent(
            waveform,
            # Clip by clip, all intermediates stay in the cache: three times faster than the batch at once.
            cpu=lambda batch: lax.map(lambda clip: self._power(clip[None], jnp.float64)[0], batch),
            cuda=lambda batch: self._power(batch, jnp.float64),
            default=lambda batch: self._power(batch, jnp.float32),
        )

    def _power(self, waveform: jax.Array, precision: jnp.dtype) -> jax.Array:
        half = self.n_fft // 2
        mode = "reflect" if self.reflect else "constant"
        padded = jnp.pad(waveform, ((0, 0), (half, half)), mode=mode)
        frames = frame(padded, self.n_fft, self.hop)
        # Beside a strong tone a float32 transform loses bins 80 dB below it (errors of 0.004 dB): double
        # precision costs 20 % of the time where the hardware has it. TPUs do not.
        with jax.enable_x64(precision == jnp.float64):
            window = np.hanning(self.n_fft + 1)[:-1].astype(precision)
            spectrum = jnp.fft.rfft(frames.astype(precision) * window)
            power = (jnp.square(spectrum.real) + jnp.square(spectrum.imag)).astype(jnp.float32)
        # Accelerators would round the product to bfloat16 or TF32: 0.1 dB where parity asks for 0.001.
        return jnp.matmul(power, self._filterbank(), precision=lax.Precision.HIGHEST)

    def __call__(self, waveform: jax.Array) -> jax.Array:
        """`[batch, samples]` to `[batch, frames, mels]` in dB."""
        power = self.mel_power(waveform)
        finite = power + self.floor if self.compression == "add" else jnp.maximum(power, self.floor)
        level = jnp.where(finite > self.floor, 10.0 * jnp.log10(finite), self._silence())
        if self.top_db:
            loudest = jnp.max(level, axis=(1, 2), keepdims=True)
            level = jnp.maximum(level, loudest - self.top_db)
        return level

    def _silence(self) -> np.float32:
        # Devices differ in the last digit of a logarithm; digital silence has one value on all of them.
        if self.silence == "numpy":
            return np.float32(10.0) * np.log10(np.float32(self.floor))
        return np.float32(10.0 * math.log10(self.floor))

    def _filterbank(self) -> np.ndarray:
        f_max = self.f_max or self.sample_rate / 2
        return mel_filterbank(
            self.sample_rate,
            self.n_fft,
            self.n_mels,
            self.f_min,
            f_max,
            self.mel_scale,
            self.area_norm,
        )


def scale_to_range(
    level: jax.Array, minimum: float | jax.Array, maximum: float | jax.Array
) -> jax.Array:
    """Maps [minimum, maximum], the extremes over all training clips, to [-1, 1] (AEGAN-AD); others may leave it."""
    return (level - (maximum + minimum) / 2) / ((maximum - minimum) / 2)


def stack_frames(level: jax.Array, n_frames: int, hop: int = 1) -> jax.Array:
    """Concatenates neighbouring frames into vectors, as the DCASE baselines feed their autoencoder.

    Args:
        level: `[batch, frames, mels]`.
        n_frames: frames a vector; the earliest frame's mels come first.
        hop: frames between vectors.

    Returns:
        `[batch, vectors, n_frames * mels]` with `frames - n_frames + 1` vectors at hop 1; none for a clip of fewer
        frames than a vector holds.
    """
    batch, frames, mels = level.shape
    vectors = max(frames - n_frames + 1, 0)
    if vectors == 0:
        return jnp.zeros((batch, 0, n_frames * mels), level.dtype)
    stacked = jnp.concatenate([level[:, i : i + vectors] for i in range(n_frames)], axis=-1)
    return stacked[:, ::hop]
