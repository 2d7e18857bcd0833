"""Networks of AEGAN-AD (Jiang et al., arXiv 2303.17949): an autoencoder as generator, and a discriminator.

Images are square, `[batch, mels, frames, 1]`. Convolutions are 4x4; each one with stride 2 halves or doubles the image,
down to 4x4 positions and one more convolution to a vector.
"""

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from asd_jax.nn.layers import GlobalDepthwiseConv
from asd_jax.nn.normalisation import LayerNorm, Norm, NormKind, image_norm
from asd_jax.nn.transposed import ConvTranspose2D, StridedConv2D

_KERNEL = (4, 4)
_SLOPE = 0.2


class EncoderTaps(NamedTuple):
    """What the encoder computes: every level behind its normalisation, and the latent vector `[batch, latent]`."""

    levels: tuple[jax.Array, ...]
    latent: jax.Array


class DecoderTaps(NamedTuple):
    """What the decoder computes: every level behind its normalisation, and the image in (-1, 1)."""

    levels: tuple[jax.Array, ...]
    image: jax.Array


class DiscriminatorTaps(NamedTuple):
    """What the discriminator computes: activations, `[batch, channels]` features, `[batch]` predictions."""

    levels: tuple[jax.Array, ...]
    feature: jax.Array
    prediction: jax.Array


def image_of(excerpts: jax.Array) -> jax.Array:
    """Excerpts `[batch, frames, mels]` to images `[batch, mels, frames, 1]`."""
    return jnp.swapaxes(excerpts, 1, 2)[..., None]


def level_sizes(size: int) -> tuple[int, ...]:
    """Heights of the halved images: 64, 32, 16, 8, 4 for 128.

    Raises:
        ValueError: the size is no power of two, or below 8.
    """
    if size < 8 or size & (size - 1):
        raise ValueError(
            f"AEGAN-AD halves square images down to 4x4, which {size} mels do not allow: "
            "choose a power of two from 8 for detector.features.n_mels"
        )
    return tuple(size >> halvings for halvings in range(1, size.bit_length() - 2))


class Encoder(nnx.Module):
    """Image to latent vector: `[batch, size, size, 1]` to `[batch, latent]`."""

    def __init__(
        self,
        size: int,
        channels: int,
        latent: int,
        norm: NormKind,
        *,
        first_norm: bool = True,
        rngs: nnx.Rngs,
    ):
        self.convolutions, widest = _halving(size, channels, rngs)
        self.norms = _level_norms(size, channels, norm, first_norm)
        self.head = StridedConv2D(widest, latent, _KERNEL, rngs=rngs)

    def __call__(self, image: jax.Array, *, train: bool) -> EncoderTaps:
        levels: list[jax.Array] = []
        x = image
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            levels.append(norm(convolution(x), train=train))
            x = jax.nn.leaky_relu(levels[-1], _SLOPE)
        return EncoderTaps(tuple(levels), self.head(x)[:, 0, 0])


class Decoder(nnx.Module):
    """Latent vector to image: `[batch, latent]` to `[batch, size, size, 1]`."""

    def __init__(self, size: int, channels: int, latent: int, norm: NormKind, *, rngs: nnx.Rngs):
        heights = level_sizes(size)[::-1]
        widths = [channels << i for i in reversed(range(len(heights)))]
        self.convolutions = nnx.List([ConvTranspose2D(latent, widths[0], _KERNEL, rngs=rngs)])
        for wide, narrow in zip(widths, [*widths[1:], 1], strict=True):
            self.convolutions.append(
                ConvTranspose2D(wide, narrow, _KERNEL, stride=2, padding=1, rngs=rngs)
            )
        self.norms = nnx.List(
            [
                image_norm(norm, height, height, width)
                for height, width in zip(heights, widths, strict=True)
            ]
        )

    def __call__(self, latent: jax.Array, *, train: bool) -> DecoderTaps:
        levels: list[jax.Array] = []
        x = latent[:, None, None]
        *convolutions, last = self.convolutions
        for convolution, norm in zip(convolutions, self.norms, strict=True):
            levels.append(norm(convolution(x), train=train))
            x = jax.nn.relu(levels[-1])
        return DecoderTaps(tuple(levels), jnp.tanh(last(x)))


class Generator(nnx.Module):
    """The autoencoder (section 2.1)."""

    def __init__(
        self,
        size: int,
        encoder_channels: int,
        decoder_channels: int,
        latent: int,
        norm: NormKind,
        *,
        first_norm: bool = True,
        rngs: nnx.Rngs,
    ):
        self.encoder = Encoder(
            size, encoder_channels, latent, norm, first_norm=first_norm, rngs=rngs
        )
        self.decoder = Decoder(size, decoder_channels, latent, norm, rngs=rngs)

    def __call__(self, image: jax.Array, *, train: bool) -> jax.Array:
        """The image as the generator would draw it, `[batch, size, size, 1]`."""
        latent = self.encoder(image, train=train).latent
        return self.decoder(latent, train=train).image

    def reconstructed(self, excerpts: jax.Array) -> jax.Array:
        """Excerpts `[batch, frames, mels]` as a trained generator would draw them."""
        return jnp.swapaxes(self(image_of(excerpts), train=False)[..., 0], 1, 2)


class Discriminator(nnx.Module):
    """Tells real images from reconstructed ones, and describes them by a feature vector."""

    def __init__(self, size: int, channels: int, norm: NormKind, *, rngs: nnx.Rngs):
        self.convolutions, widest = _halving(size, channels, rngs)
        self.norms = _level_norms(size, channels, norm, True)
        self.pool = GlobalDepthwiseConv(widest, _KERNEL, rngs=rngs)
        self.feature_norm = LayerNorm(widest)
        self.output = nnx.Linear(widest, 1, rngs=rngs)

    def __call__(self, image: jax.Array, *, train: bool) -> DiscriminatorTaps:
        levels: list[jax.Array] = []
        x = image
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = jax.nn.leaky_relu(norm(convolution(x), train=train), _SLOPE)
            levels.append(x)
        feature = self.pool(x)
        normalised = jax.nn.leaky_relu(self.feature_norm(feature, train=train), _SLOPE)
        return DiscriminatorTaps(tuple(levels), feature, self.output(normalised)[:, 0])


def _halving(size: int, channels: int, rngs: nnx.Rngs) -> tuple[nnx.List[StridedConv2D], int]:
    """Convolutions from `size` down to 4, each doubling the channels; and the last one's channels."""
    widths = [1, *(channels << i for i in range(len(level_sizes(size))))]
    convolutions = nnx.List(
        [
            StridedConv2D(narrow, wide, _KERNEL, stride=2, padding=1, rngs=rngs)
            for narrow, wide in itertools.pairwise(widths)
        ]
    )
    return convolutions, widths[-1]


def _level_norms(size: int, channels: int, norm: NormKind, first_norm: bool) -> nnx.List[Norm]:
    kinds: list[NormKind] = [norm] * len(level_sizes(size))
    if not first_norm:
        kinds[0] = "none"
    return nnx.List(
        [
            image_norm(kind, height, height, channels << i)
            for i, (kind, height) in enumerate(zip(kinds, level_sizes(size), strict=True))
        ]
    )
