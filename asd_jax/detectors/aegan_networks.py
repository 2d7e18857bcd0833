"""Networks of AEGAN-AD (Jiang et al., arXiv 2303.17949): an autoencoder as generator, and a discriminator.

Images are square, `[batch, mels, frames, 1]`. Convolutions are 4x4; each one with stride 2 halves or doubles the image,
down to 4x4 positions and one more convolution to a vector.
"""

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from asd_jax.nn.groups import few_at_a_time
from asd_jax.nn.layers import GlobalDepthwiseConv
from asd_jax.nn.normalisation import LayerNorm, Norm, NormKind, image_norm
from asd_jax.nn.transposed import ConvTranspose2D, StridedConv2D

_KERNEL = (4, 4)
_SLOPE = 0.2
# Levels of this height and more leave a processor's cache unless so many images are computed at a time.
_WIDE = 16
_CACHED = 8

Levels = tuple[jax.Array, ...]
Found = TypeVar("Found")


class EncoderTaps(NamedTuple):
    """What the encoder computes: every level behind its normalisation, and the latent vector `[batch, latent]`."""

    levels: Levels
    latent: jax.Array


class DecoderTaps(NamedTuple):
    """What the decoder computes: every level behind its normalisation, and the image in (-1, 1)."""

    levels: Levels
    image: jax.Array


class DiscriminatorTaps(NamedTuple):
    """What the discriminator computes: activations, `[batch, channels]` features, `[batch]` predictions."""

    levels: Levels
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
        levels, x = _halved(self.convolutions, self.norms, image, train)
        return EncoderTaps(levels, self.head(x)[:, 0, 0])


class Decoder(nnx.Module):
    """Latent vector to image: `[batch, latent]` to `[batch, size, size, 1]`."""

    def __init__(self, size: int, channels: int, latent: int, norm: NormKind, *, rngs: nnx.Rngs):
        self.heights = heights = level_sizes(size)[::-1]
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
        *convolutions, last = self.convolutions
        split = sum(height < _WIDE for height in self.heights)
        halves = [
            functools.partial(_through, convolutions[part], self.norms[part], jax.nn.relu, train)
            for part in (slice(split), slice(split, None))
        ]
        narrow, x = halves[0](latent[:, None, None])

        def draw(x: jax.Array) -> tuple[Levels, jax.Array]:
            levels, x = halves[1](x)
            return levels, jnp.tanh(last(x))

        wide, image = _in_cache(draw, x, train)
        return DecoderTaps(narrow + wide, image)


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
        levels, x = _halved(self.convolutions, self.norms, image, train)
        feature = self.pool(x)
        normalised = _leaky(self.feature_norm(feature, train=train))
        prediction = self.output(normalised)[:, 0]
        return DiscriminatorTaps(tuple(map(_leaky, levels)), feature, prediction)


def _leaky(x: jax.Array) -> jax.Array:
    return jax.nn.leaky_relu(x, _SLOPE)


def _through(
    convolutions: Sequence[StridedConv2D | ConvTranspose2D],
    norms: Sequence[Norm],
    activation: Callable[[jax.Array], jax.Array],
    train: bool,
    x: jax.Array,
) -> tuple[Levels, jax.Array]:
    """Every level behind its normalisation, and the last one behind its activation."""
    levels: list[jax.Array] = []
    for convolution, norm in zip(convolutions, norms, strict=True):
        levels.append(norm(convolution(x), train=train))
        x = activation(levels[-1])
    return tuple(levels), x


def _halved(
    convolutions: nnx.List[StridedConv2D], norms: nnx.List[Norm], image: jax.Array, train: bool
) -> tuple[Levels, jax.Array]:
    """`_through` all levels of an image `[batch, size, size, 1]`."""
    split = sum(height >= _WIDE for height in level_sizes(image.shape[1]))
    halves = [
        functools.partial(_through, convolutions[part], norms[part], _leaky, train)
        for part in (slice(split), slice(split, None))
    ]
    wide, x = _in_cache(halves[0], image, train)
    narrow, x = halves[1](x)
    return wide + narrow, x


def _in_cache(wide: Callable[[jax.Array], Found], images: jax.Array, train: bool) -> Found:
    """What a trained network finds of wide images: on the CPU a few at a time.

    In training some norms see the whole batch, and the gradients need all levels anyway.
    """
    if train:
        return wide(images)
    return lax.platform_dependent(
        images, cpu=lambda images: few_at_a_time(wide, images, _CACHED), default=wide
    )


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
