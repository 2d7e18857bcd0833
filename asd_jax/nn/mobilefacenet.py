"""MobileFaceNet (Chen et al. 2018): a small image network that ends in a global depthwise convolution."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from asd_jax.nn.layers import (
    BatchNorm,
    DepthwiseConv,
    GlobalDepthwiseConv,
    PointwiseConv,
    PReLU,
)
from asd_jax.nn.transposed import StridedConv2D
from asd_jax.ranges import Count

BottleneckStage = tuple[Count, Count, Count, Count]
"""Expansion, output channels, repetitions, stride of the first repetition."""

STGRAM_STAGES: tuple[BottleneckStage, ...] = ((2, 128, 2, 2), (4, 128, 2, 2), (4, 128, 2, 2))


class MobileFaceNetTaps(NamedTuple):
    """What the network computes on its way, for parity tests and for inspection."""

    stem: jax.Array
    blocks: jax.Array
    expanded: jax.Array
    pooled: jax.Array
    feature: jax.Array


class Bottleneck(nnx.Module):
    """Expand with 1x1, filter with depthwise 3x3, project with 1x1; residual where the shape allows."""

    def __init__(
        self, in_channels: int, out_channels: int, expansion: int, stride: int, *, rngs: nnx.Rngs
    ):
        hidden = in_channels * expansion
        self.expand = PointwiseConv(in_channels, hidden, rngs=rngs)
        self.expand_norm = BatchNorm(hidden)
        self.expand_activation = PReLU(hidden)
        self.filter = DepthwiseConv(hidden, (3, 3), stride=stride, padding=1, rngs=rngs)
        self.filter_norm = BatchNorm(hidden)
        self.filter_activation = PReLU(hidden)
        self.project = PointwiseConv(hidden, out_channels, rngs=rngs)
        self.project_norm = BatchNorm(out_channels)
        self.residual = stride == 1 and in_channels == out_channels

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        y = self.expand_activation(self.expand_norm(self.expand(x), train=train))
        y = self.filter_activation(self.filter_norm(self.filter(y), train=train))
        y = self.project_norm(self.project(y), train=train)
        return x + y if self.residual else y


class MobileFaceNet(nnx.Module):
    """Image to feature vector: `[batch, height, width, channels]` to `[batch, features]`.

    Args:
        image_size: height and width of the input; fixes the size of the global depthwise convolution.
        in_channels: channels of the input.
        features: length of the feature vector.
        width: channels of the stem; the bottlenecks' channels come from `stages`.
        stages: bottleneck stages.
        head_channels: channels in front of the global depthwise convolution.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        in_channels: int,
        *,
        features: int = 128,
        width: int = 64,
        stages: Sequence[BottleneckStage] = STGRAM_STAGES,
        head_channels: int = 512,
        rngs: nnx.Rngs,
    ):
        self.stem = StridedConv2D(in_channels, width, (3, 3), stride=2, padding=1, rngs=rngs)
        self.stem_norm = BatchNorm(width)
        self.stem_activation = PReLU(width)
        self.stem_filter = DepthwiseConv(width, (3, 3), padding=1, rngs=rngs)
        self.stem_filter_norm = BatchNorm(width)
        self.stem_filter_activation = PReLU(width)
        blocks = []
        channels, size = width, _halved(image_size)
        for expansion, out_channels, repetitions, first_stride in stages:
            for repetition in range(repetitions):
                stride = first_stride if repetition == 0 else 1
                blocks.append(Bottleneck(channels, out_channels, expansion, stride, rngs=rngs))
                channels = out_channels
                size = _halved(size) if stride == 2 else size
        self.blocks = nnx.List(blocks)
        self.head = PointwiseConv(channels, head_channels, rngs=rngs)
        self.head_norm = BatchNorm(head_channels)
        self.head_activation = PReLU(head_channels)
        self.pool = GlobalDepthwiseConv(head_channels, size, rngs=rngs)
        self.pool_norm = BatchNorm(head_channels)
        self.embed = PointwiseConv(head_channels, features, rngs=rngs)
        self.embed_norm = BatchNorm(features)

    def __call__(self, image: jax.Array, *, train: bool) -> MobileFaceNetTaps:
        stem = self.stem_activation(self.stem_norm(self.stem(image), train=train))
        x = self.stem_filter_norm(self.stem_filter(stem), train=train)
        x = self.stem_filter_activation(x)
        for block in self.blocks:
            x = block(x, train=train)
        expanded = self.head_activation(self.head_norm(self.head(x), train=train))
        pooled = self.pool_norm(self.pool(expanded), train=train)
        feature = self.embed_norm(self.embed(pooled), train=train)
        return MobileFaceNetTaps(stem, x, expanded, pooled, feature)


def _halved(size: tuple[int, int]) -> tuple[int, int]:
    """Size after a 3x3 convolution of stride 2 with one row of padding."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2


def image_of(planes: Sequence[jax.Array]) -> jax.Array:
    """Stacks `[batch, frames, bands]` planes as the channels of `[batch, bands, frames, channels]` images."""
    return jnp.stack([jnp.swapaxes(plane, 1, 2) for plane in planes], axis=-1)
