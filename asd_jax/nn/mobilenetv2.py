"""MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381, table 2) with the rules of Keras's implementation.

Keras pads strided convolutions so that the output has half the size, rounded up: below and to the right only where
the size is even. Batch normalisation has an epsilon of 1e-3 and keeps 0.999 of its running statistics a step.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from asd_jax.nn.clipped_batch_norm import ClippedBatchNorm
from asd_jax.nn.depthwise import Padding, depthwise_conv2d
from asd_jax.nn.pointwise import pointwise_conv
from asd_jax.nn.transposed import strided_conv2d
from asd_jax.ranges import Count

InvertedStage = tuple[Count, Count, Count, Count]
"""Expansion, output channels before `alpha`, repetitions, stride of the first repetition."""

PUBLISHED_STAGES: tuple[InvertedStage, ...] = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)

glorot_uniform = nnx.initializers.glorot_uniform()


class MobileNetV2Taps(NamedTuple):
    """What the network computes on its way; `blocks` holds every block's output."""

    stem: jax.Array
    blocks: tuple[jax.Array, ...]
    expanded: jax.Array
    pooled: jax.Array
    logits: jax.Array


class MobileNetV2(nnx.Module):
    """Grey image to class logits: `[batch, height, width]` to `[batch, classes]`.

    Args:
        classes: length of the logits.
        alpha: factor on the channels of every stage, rounded to multiples of 8.
        image_channels: the grey image stands in so many equal channels.
        width: channels of the stem before `alpha`.
        stages: stages of inverted residuals.
        head_channels: channels in front of the pooling; only an `alpha` above 1 enlarges them.
        momentum: the new batch's part in the running statistics.
    """

    def __init__(
        self,
        classes: int,
        *,
        alpha: float = 1.0,
        image_channels: int = 3,
        width: int = 32,
        stages: Sequence[InvertedStage] = PUBLISHED_STAGES,
        head_channels: int = 1280,
        momentum: float = 0.001,
        rngs: nnx.Rngs,
    ):
        channels = round_channels(width * alpha)
        self.stem = nnx.Param(glorot_uniform(rngs.params(), (3, 3, image_channels, channels)))
        self.stem_norm = ClippedBatchNorm(channels, momentum=momentum)
        blocks = []
        for expansion, stage_channels, repetitions, first_stride in stages:
            for repetition in range(repetitions):
                stride = first_stride if repetition == 0 else 1
                out = round_channels(stage_channels * alpha)
                blocks.append(InvertedResidual(channels, out, expansion, stride, momentum, rngs))
                channels = out
        self.blocks = nnx.List(blocks)
        head = round_channels(head_channels * alpha) if alpha > 1 else head_channels
        self.head = nnx.Param(glorot_uniform(rngs.params(), (channels, head)))
        self.head_norm = ClippedBatchNorm(head, momentum=momentum)
        self.classifier = nnx.Linear(head, classes, kernel_init=glorot_uniform, rngs=rngs)

    def __call__(self, image: jax.Array, *, train: bool) -> MobileNetV2Taps:
        stem = self.stem_norm(self._stem(image), train=train)
        outputs = []
        x = stem
        for block in self.blocks:
            x = block(x, train=train)
            outputs.append(x)
        expanded = self.head_norm(pointwise_conv(x, self.head[...]), train=train)
        pooled = jnp.mean(expanded, axis=(1, 2))
        return MobileNetV2Taps(stem, tuple(outputs), expanded, pooled, self.classifier(pooled))

    def _stem(self, image: jax.Array) -> jax.Array:
        # Equal channels: one convolution with the summed kernel is the same at a third of the cost.
        kernel = jnp.sum(self.stem[...], axis=2, keepdims=True)
        padding = ((0, 0), *halving_padding(image.shape[1:3]), (0, 0))
        return strided_conv2d(jnp.pad(image[..., None], padding), kernel, 2, 0)


class InvertedResidual(nnx.Module):
    """Expand with 1x1, filter with depthwise 3x3, project with 1x1; residual where the shape allows.

    `[batch, height, width, in]` to `[batch, out_height, out_width, out]`. Without `expansion` (1) there is no first
    convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        expansion: int,
        stride: int,
        momentum: float,
        rngs: nnx.Rngs,
    ):
        hidden = in_channels * expansion
        self.expands = expansion > 1
        if self.expands:
            self.expand = nnx.Param(glorot_uniform(rngs.params(), (in_channels, hidden)))
            self.expand_norm = ClippedBatchNorm(hidden, momentum=momentum)
        kernel = glorot_uniform(rngs.params(), (3, 3, hidden, 1))
        self.filter = nnx.Param(kernel[..., 0])
        self.filter_norm = ClippedBatchNorm(hidden, momentum=momentum)
        self.project = nnx.Param(glorot_uniform(rngs.params(), (hidden, out_channels)))
        self.project_norm = ClippedBatchNorm(out_channels, momentum=momentum, clip=False)
        self.stride = stride
        self.residual = stride == 1 and in_channels == out_channels

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        y = self.filtered(self.expanded(x, train=train), train=train)
        y = self.project_norm(pointwise_conv(y, self.project[...]), train=train)
        return x + y if self.residual else y

    def expanded(self, x: jax.Array, *, train: bool) -> jax.Array:
        """`[batch, height, width, in]` to `[batch, height, width, in * expansion]`."""
        if not self.expands:
            return x
        return self.expand_norm(pointwise_conv(x, self.expand[...]), train=train)

    def filtered(self, x: jax.Array, *, train: bool) -> jax.Array:
        """`[batch, height, width, hidden]` to `[batch, out_height, out_width, hidden]`."""
        padding: Padding = 1 if self.stride == 1 else halving_padding(x.shape[1:3])
        y = depthwise_conv2d(x, self.filter[...], self.stride, padding)
        return self.filter_norm(y, train=train)


def halving_padding(size: Sequence[int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """Zeros around an image of `size` for a 3x3 kernel at stride 2: a side of even length has none at its start."""
    (above, left) = (length % 2 for length in size)
    return (above, 1), (left, 1)


def round_channels(channels: float, divisor: int = 8) -> int:
    """The nearest multiple of the divisor, never more than 10 % below."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded
