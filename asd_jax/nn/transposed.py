"""Transposed convolution: the gradient of a strided convolution, used as a layer that enlarges an image."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from asd_jax.nn.layers import he_uniform


class ConvTranspose2D(nnx.Module):
    """Transposed convolution as PyTorch defines it: `[batch, height, width, in]` to `[batch, out_height, ..., out]`.

    The output's size is `(size - 1) * stride - 2 * padding + kernel` in each direction. The kernel is kept as
    `[kernel_height, kernel_width, in, out]`, unflipped.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sequence[int],
        *,
        stride: int = 1,
        padding: int = 0,
        use_bias: bool = False,
        rngs: nnx.Rngs,
    ):
        shape = (*kernel_size, in_channels, out_channels)
        self.kernel = nnx.Param(he_uniform(rngs.params(), shape))
        self.bias = nnx.Param(jnp.zeros(out_channels)) if use_bias else None
        self.stride = stride
        self.padding = padding

    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = self.kernel[...]
        margins = [(size - 1 - self.padding,) * 2 for size in kernel.shape[:2]]
        y = jax.lax.conv_general_dilated(
            x,
            kernel[::-1, ::-1],
            window_strides=(1, 1),
            padding=margins,
            lhs_dilation=(self.stride, self.stride),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return y if self.bias is None else y + self.bias[...]
