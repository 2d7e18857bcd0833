"""A time-delay network on the waveform, the temporal front end of the reconstruction-augmented STgram (ICCC 2024).

A strided filterbank, then convolutions over time whose context widens: one dense, the others channel by channel.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from asd_jax.nn.layers import he_uniform
from asd_jax.nn.tgram import TimeNorm, centred_filters

LEAKY_SLOPE = 0.2
CONTEXT_FRAMES = 14
"""Frames of the filterbank that the convolutions consume, none of them padded: 4 + 4 + 6."""


class DepthwiseConv1D(nnx.Module):
    """Convolution of every channel with its own dilated kernel: `[batch, time, channels]`, no padding, with bias."""

    def __init__(self, channels: int, width: int, *, dilation: int = 1, rngs: nnx.Rngs):
        # The fan-in of a depthwise kernel is its width: give the initialiser that shape, channels last.
        kernel = he_uniform(rngs.params(), (width, 1, channels))
        self.kernel = nnx.Param(kernel.reshape(width, channels))
        self.bias = nnx.Param(jnp.zeros(channels))
        self.dilation = dilation

    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.kernel[...]
        shifted = _shifted(x, kernel.shape[0], self.dilation)
        return sum(tap * part for tap, part in zip(kernel, shifted, strict=True)) + self.bias[...]


class DenseConv1D(nnx.Module):
    """Convolution over time and channels: `[batch, time, in]` to `[batch, time, out]`, no padding, with bias."""

    def __init__(self, in_channels: int, out_channels: int, width: int, *, rngs: nnx.Rngs):
        self.kernel = nnx.Param(he_uniform(rngs.params(), (width, in_channels, out_channels)))
        self.bias = nnx.Param(jnp.zeros(out_channels))

    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.kernel[...]
        shifted = _shifted(x, kernel.shape[0], 1)
        return sum(part @ tap for tap, part in zip(kernel, shifted, strict=True)) + self.bias[...]


def _shifted(x: jax.Array, width: int, dilation: int) -> list[jax.Array]:
    """What each kernel element meets, `[batch, time - (width - 1) * dilation, channels]` each."""
    # Sums of shifts are fast everywhere. XLA's CPU backend is slow at grouped convolutions, and at the gradients of
    # all convolutions where they stand inside a condition or a loop.
    frames = x.shape[1] - (width - 1) * dilation
    return [x[:, i * dilation : i * dilation + frames] for i in range(width)]


class TDNN(nnx.Module):
    """Waveform to a learned spectrogram: `[batch, samples]` to `[batch, filter_frames - 14, bands]`.

    Args:
        filter_frames: frames of the filterbank; of `samples // hop + 1`, those beyond are left out.
        bands: filters, and channels of every layer.
        window: samples a filter.
        hop: samples between frames.

    Raises:
        ValueError: the waveform has no more frames than the convolutions consume.
    """

    def __init__(self, filter_frames: int, bands: int, window: int, hop: int, *, rngs: nnx.Rngs):
        frames = filter_frames - CONTEXT_FRAMES
        if frames < 1:
            raise ValueError(
                f"{filter_frames} frames of the waveform are too few: the time-delay network consumes "
                f"{CONTEXT_FRAMES}; give longer windows or a smaller hop"
            )
        self.filters = nnx.Param(he_uniform(rngs.params(), (window, bands)))
        self.dense = DenseConv1D(bands, bands, 5, rngs=rngs)
        self.depthwise = nnx.List(
            [
                DepthwiseConv1D(bands, 3, dilation=2, rngs=rngs),
                DepthwiseConv1D(bands, 3, dilation=3, rngs=rngs),
                DepthwiseConv1D(bands, 1, rngs=rngs),
                DepthwiseConv1D(bands, 1, rngs=rngs),
            ]
        )
        lengths = (filter_frames, filter_frames - 4, filter_frames - 8, frames)
        self.norms = nnx.List([TimeNorm(length) for length in lengths])
        self.hop = hop
        self.filter_frames = filter_frames

    def extract(self, waveform: jax.Array) -> jax.Array:
        """The filterbank with its normalisation and rectifier, `[batch, filter_frames, bands]`."""
        x = centred_filters(waveform, self.filters[...], self.hop)[:, : self.filter_frames]
        return jax.nn.leaky_relu(self.norms[0](x), LEAKY_SLOPE)

    def __call__(self, waveform: jax.Array) -> jax.Array:
        x = self.extract(waveform)
        # The published network normalises twice with the last scale and shift: after the widest convolution and
        # after the first one of a single frame.
        norms = (*self.norms[1:], self.norms[-1])
        for convolution, norm in zip((self.dense, *self.depthwise[:-1]), norms, strict=True):
            x = jax.nn.leaky_relu(norm(convolution(x)), LEAKY_SLOPE)
        return self.depthwise[-1](x)
