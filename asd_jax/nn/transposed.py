"""Strided convolution and its transpose, each the other's gradient.

A transposed convolution is the gradient of a strided one with respect to its input, and the other way round; the
gradient with respect to the kernel is the third of the family. Written as three functions that name one another as
their derivatives, every order of differentiation (a gradient penalty needs the second) runs through fast forms.
Images are `[batch, height, width, channels]`, kernels `[kernel_height, kernel_width, in, out]` of the strided
convolution.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from asd_jax.nn.layers import he_uniform

_IMAGES = ("NHWC", "HWIO", "NHWC")

Size = tuple[int, int]


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def strided_conv2d(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> jax.Array:
    """Convolution with symmetric zero padding; its input gradient is fast on every backend."""
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), ((padding, padding),) * 2, dimension_numbers=_IMAGES
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def transposed_conv2d(
    y: jax.Array, kernel: jax.Array, stride: int, padding: int, size: Size
) -> jax.Array:
    """The transpose of `strided_conv2d`: from its output's shape back to `[batch, *size, in]`."""
    return lax.platform_dependent(
        y,
        kernel,
        cpu=lambda y, kernel: _transposed_by_phases(y, kernel, stride, padding, size),
        default=lambda y, kernel: _transposed_by_lax(y, kernel, stride, padding, size),
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _kernel_gradient(
    x: jax.Array, y: jax.Array, stride: int, padding: int, size: Size
) -> jax.Array:
    """Sum over all positions of the product of a strided convolution's input and output: a kernel of that size."""
    # In a loop XLA's CPU backend has a fast convolution for this order of dimensions alone: a ninth of a step's time.
    found = lax.conv_general_dilated(
        x.transpose(3, 1, 2, 0),
        y.transpose(1, 2, 0, 3),
        (1, 1),
        ((padding, padding),) * 2,
        rhs_dilation=(stride, stride),
        dimension_numbers=_IMAGES,
    )
    return found[:, : size[0], : size[1]].transpose(1, 2, 0, 3)


def _conv_forward(x, kernel, stride, padding):
    return strided_conv2d(x, kernel, stride, padding), (x, kernel)


def _conv_backward(stride, padding, residuals, dy):
    x, kernel = residuals
    return (
        transposed_conv2d(dy, kernel, stride, padding, x.shape[1:3]),
        _kernel_gradient(x, dy, stride, padding, kernel.shape[:2]),
    )


def _transposed_forward(y, kernel, stride, padding, size):
    return transposed_conv2d(y, kernel, stride, padding, size), (y, kernel)


def _transposed_backward(stride, padding, size, residuals, dx):
    y, kernel = residuals
    return (
        strided_conv2d(dx, kernel, stride, padding),
        _kernel_gradient(dx, y, stride, padding, kernel.shape[:2]),
    )


def _kernel_gradient_forward(x, y, stride, padding, size):
    return _kernel_gradient(x, y, stride, padding, size), (x, y)


def _kernel_gradient_backward(stride, padding, size, residuals, dkernel):
    x, y = residuals
    return (
        transposed_conv2d(y, dkernel, stride, padding, x.shape[1:3]),
        strided_conv2d(x, dkernel, stride, padding),
    )


strided_conv2d.defvjp(_conv_forward, _conv_backward)
transposed_conv2d.defvjp(_transposed_forward, _transposed_backward)
_kernel_gradient.defvjp(_kernel_gradient_forward, _kernel_gradient_backward)


def _transposed_by_lax(
    y: jax.Array, kernel: jax.Array, stride: int, padding: int, size: Size
) -> jax.Array:
    margins = []
    for length, taps, full in zip(y.shape[1:3], kernel.shape[:2], size, strict=True):
        before = taps - 1 - padding
        margins.append((before, full - ((length - 1) * stride + 1) - before + taps - 1))
    return lax.conv_general_dilated(
        y,
        jnp.swapaxes(kernel[::-1, ::-1], 2, 3),
        (1, 1),
        margins,
        lhs_dilation=(stride, stride),
        dimension_numbers=_IMAGES,
    )


def _transposed_by_phases(
    y: jax.Array, kernel: jax.Array, stride: int, padding: int, size: Size
) -> jax.Array:
    """Every stride-th row and column of the output depends on its own kernel elements: one dense convolution each.

    XLA's CPU backend would multiply the zeros of a dilated input: three times the time at 32 channels.
    """
    if y.shape[1:3] == (1, 1) and size == kernel.shape[:2] and padding == 0:
        return jnp.einsum("bo,hwio->bhwi", y[:, 0, 0], kernel)
    rows, columns = -(-size[0] // stride), -(-size[1] // stride)
    phases = jnp.stack(
        [
            jnp.stack(
                [
                    _phase(y, kernel, stride, padding, (p, q), (rows, columns))
                    for q in range(stride)
                ],
                axis=3,
            )
            for p in range(stride)
        ],
        axis=2,
    )
    full = phases.reshape(y.shape[0], rows * stride, columns * stride, kernel.shape[2])
    return full[:, : size[0], : size[1]]


def _phase(
    y: jax.Array, kernel: jax.Array, stride: int, padding: int, phase: Size, size: Size
) -> jax.Array:
    """The outputs `[batch, *size, in]` whose row and column leave the remainders `phase` by the stride."""
    taps, margins = [], []
    for axis in range(2):
        first = (phase[axis] + padding) % stride
        chosen = range(first, kernel.shape[axis], stride)
        if not chosen:
            return jnp.zeros((y.shape[0], *size, kernel.shape[2]), y.dtype)
        # Output `stride * m + phase` meets kernel element `first + stride * t` at input `m + reach - t`.
        reach = (phase[axis] + padding - first) // stride
        before = len(chosen) - 1 - reach
        taps.append(slice(chosen[0], None, stride))
        margins.append((before, size[axis] - y.shape[1 + axis] + len(chosen) - 1 - before))
    part = jnp.swapaxes(kernel[taps[0], taps[1]][::-1, ::-1], 2, 3)
    return lax.conv_general_dilated(y, part, (1, 1), margins, dimension_numbers=_IMAGES)


class StridedConv2D(nnx.Module):
    """Convolution without bias whose every derivative is fast: `[batch, height, width, in]` to `[batch, ..., out]`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sequence[int],
        *,
        stride: int = 1,
        padding: int = 0,
        rngs: nnx.Rngs,
    ):
        shape = (*kernel_size, in_channels, out_channels)
        self.kernel = nnx.Param(he_uniform(rngs.params(), shape))
        self.stride = stride
        self.padding = padding

    def __call__(self, x: jax.Array) -> jax.Array:
        return strided_conv2d(x, self.kernel[...], self.stride, self.padding)


class ConvTranspose2D(nnx.Module):
    """Transposed convolution as PyTorch defines it: `[batch, height, width, in]` to `[batch, out_height, ..., out]`.

    The output's size is `(size - 1) * stride - 2 * padding + kernel` in each direction. The kernel is kept as
    `[kernel_height, kernel_width, in, out]`, unflipped; PyTorch takes `out` for the fan-in of its initial values.
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
        of_strided = (*kernel_size, out_channels, in_channels)
        self.kernel = nnx.Param(jnp.swapaxes(he_uniform(rngs.params(), of_strided), 2, 3))
        self.bias = nnx.Param(jnp.zeros(out_channels)) if use_bias else None
        self.stride = stride
        self.padding = padding

    def __call__(self, x: jax.Array) -> jax.Array:
        kernel = jnp.swapaxes(self.kernel[...], 2, 3)
        height, width = (
            (length - 1) * self.stride - 2 * self.padding + taps
            for length, taps in zip(x.shape[1:3], kernel.shape[:2], strict=True)
        )
        y = transposed_conv2d(x, kernel, self.stride, self.padding, (height, width))
        return y if self.bias is None else y + self.bias[...]
