"""The convolutional autoencoder of the reconstruction-augmented STgram (ICCC 2024), with a class head on its latent.

A spectrogram `[batch, frames, mels]` is an image whose rows are frames. Three strided convolutions halve it, a 4x4
convolution without padding makes the latent map; the decoder goes the same way back.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from asd_jax.nn.arcface import ArcFace
from asd_jax.nn.normalisation import LayerNorm
from asd_jax.nn.transposed import ConvTranspose2D, StridedConv2D

LEAKY_SLOPE = 0.2
_KERNEL = (4, 4)

Size = tuple[int, int]


class ConvEncoder(nnx.Module):
    """`[batch, frames, mels, 1]` to the latent map `[batch, frames / 8 - 3, mels / 8 - 3, latent]` (three levels)."""

    def __init__(self, sizes: Sequence[Size], channels: Sequence[int], latent: int, rngs: nnx.Rngs):
        inputs = (1, *channels[:-1])
        self.convolutions = nnx.List(
            [
                StridedConv2D(before, after, _KERNEL, stride=2, padding=1, rngs=rngs)
                for before, after in zip(inputs, channels, strict=True)
            ]
        )
        self.norms = nnx.List(
            [LayerNorm(*size, width) for size, width in zip(sizes, channels, strict=True)]
        )
        self.to_latent = StridedConv2D(channels[-1], latent, _KERNEL, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = jax.nn.leaky_relu(norm(convolution(x), train=False), LEAKY_SLOPE)
        return self.to_latent(x)


class ConvDecoder(nnx.Module):
    """The latent map to `[batch, frames, mels, 1]` in (-1, 1)."""

    def __init__(self, sizes: Sequence[Size], channels: Sequence[int], latent: int, rngs: nnx.Rngs):
        self.from_latent = ConvTranspose2D(latent, channels[0], _KERNEL, rngs=rngs)
        self.norms = nnx.List(
            [LayerNorm(*size, width) for size, width in zip(sizes, channels, strict=True)]
        )
        outputs = (*channels[1:], 1)
        self.convolutions = nnx.List(
            [
                ConvTranspose2D(before, after, _KERNEL, stride=2, padding=1, rngs=rngs)
                for before, after in zip(channels, outputs, strict=True)
            ]
        )

    def __call__(self, latent: jax.Array) -> jax.Array:
        x = self.from_latent(latent)
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            x = convolution(jax.nn.relu(norm(x, train=False)))
        return jnp.tanh(x)


class AutoencoderTaps(NamedTuple):
    """What the autoencoder computes: `[batch, height, width, latent]`, its mean, `[batch, frames, mels]`."""

    latent: jax.Array
    pooled: jax.Array
    reconstruction: jax.Array


class ConvAutoencoderNetwork(nnx.Module):
    """Encoder, decoder, and ArcFace on the mean of the latent map.

    Args:
        frames: frames of a spectrogram.
        mels: mel bands.
        classes: classes of the head.
        channels: channels of the strided convolutions.
        latent: channels of the latent map.
        margin: ArcFace's margin in radians.
        scale: ArcFace's scale.

    Raises:
        ValueError: the spectrogram cannot be halved so often, or is too small.
    """

    def __init__(
        self,
        frames: int,
        mels: int,
        classes: int,
        *,
        channels: Sequence[int] = (32, 64, 128),
        latent: int = 256,
        margin: float = 0.5,
        scale: float = 32.0,
        rngs: nnx.Rngs,
    ):
        sizes = _halved((frames, mels), len(channels))
        self.encoder = ConvEncoder(sizes, channels, latent, rngs)
        self.decoder = ConvDecoder(sizes[::-1], tuple(channels)[::-1], latent, rngs)
        self.arcface = ArcFace(latent, classes, margin=margin, scale=scale, rngs=rngs)

    def encode(self, level: jax.Array) -> jax.Array:
        """`[batch, frames, mels]` to the latent map `[batch, height, width, latent]`."""
        return self.encoder(level[..., None])

    def decode(self, latent: jax.Array) -> jax.Array:
        """The latent map to `[batch, frames, mels]`."""
        return self.decoder(latent)[..., 0]

    def __call__(self, level: jax.Array) -> AutoencoderTaps:
        latent = self.encode(level)
        return AutoencoderTaps(latent, jnp.mean(latent, axis=(1, 2)), self.decode(latent))


def _halved(size: Size, times: int) -> list[Size]:
    """The sizes after 1, 2, ... halvings."""
    unit, smallest = 2**times, 2**times * _KERNEL[0]
    for name, length in zip(("frames", "mel bands"), size, strict=True):
        if length % unit or length < smallest:
            nearest = max(smallest, length // unit * unit)
            raise ValueError(
                f"the autoencoder halves a spectrogram {times} times: {length} {name} do not fit, {nearest} do "
                "(detector.clip.samples = (frames - 1) * hop gives that many frames)"
            )
    return [(size[0] >> i, size[1] >> i) for i in range(1, times + 1)]
