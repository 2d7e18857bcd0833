"""TgramNet of STgram-MFN (Liu et al. 2022, section 2.1): a spectrogram that is learned from the waveform."""

import jax
import jax.numpy as jnp
from flax import nnx

from asd_jax.nn.framing import frame
from asd_jax.nn.layers import Conv1D, he_uniform


class TgramNet(nnx.Module):
    """Waveform to a learned spectrogram: a strided convolution, then blocks that normalise over time.

    `[batch, samples]` to `[batch, frames, bands]`; frames and bands equal those of the log-mel spectrogram.
    """

    def __init__(
        self, frames: int, bands: int, window: int, hop: int, *, blocks: int = 3, rngs: nnx.Rngs
    ):
        self.filters = nnx.Param(he_uniform(rngs.params(), (window, bands)))
        self.norms = nnx.List([TimeNorm(frames) for _ in range(blocks)])
        self.convolutions = nnx.List(
            [Conv1D(bands, bands, 3, padding=1, rngs=rngs) for _ in range(blocks)]
        )
        self.hop = hop

    def extract(self, waveform: jax.Array) -> jax.Array:
        """The strided convolution alone: a filterbank that is learned, `[batch, frames, bands]`."""
        return centred_filters(waveform, self.filters[...], self.hop)

    def __call__(self, waveform: jax.Array) -> jax.Array:
        x = self.extract(waveform)
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            x = convolution(jax.nn.leaky_relu(norm(x), 0.2))
        return x


class TimeNorm(nnx.Module):
    """Layer normalisation over time with one scale and shift a frame: `[batch, frames, bands]`."""

    def __init__(self, frames: int, *, epsilon: float = 1e-5):
        self.scale = nnx.Param(jnp.ones(frames))
        self.bias = nnx.Param(jnp.zeros(frames))
        self.epsilon = epsilon

    def __call__(self, x: jax.Array) -> jax.Array:
        mean = jnp.mean(x, axis=1, keepdims=True)
        variance = jnp.mean(jnp.square(x - mean), axis=1, keepdims=True)
        normalised = (x - mean) * jax.lax.rsqrt(variance + self.epsilon)
        return normalised * self.scale[...][:, None] + self.bias[...][:, None]


def centred_filters(waveform: jax.Array, filters: jax.Array, hop: int) -> jax.Array:
    """A filterbank on centred frames of a waveform.

    Args:
        waveform: `[batch, samples]`; half a window of zeros is added at both ends.
        filters: `[window, bands]`.
        hop: samples between frames.

    Returns:
        `[batch, samples // hop + 1, bands]` for an even window.
    """
    window = filters.shape[0]
    padded = jnp.pad(waveform, ((0, 0), (window // 2, window // 2)))
    return frame(padded, window, hop) @ filters
