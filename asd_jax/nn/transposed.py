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

from asd_jax.nn import winograd
from asd_jax.nn.groups import few_at_a_time, images_a_product, in_groups
from asd_jax.nn.layers import he_uniform

_IMAGES = ("NHWC", "HWIO", "NHWC")
Size = tuple[int, int]


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def strided_conv2d(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> jax.Array:
    """Convolution with symmetric zero padding; its derivatives are fast on every backend."""
    return lax.platform_dependent(
        x,
        kernel,
        cpu=lambda x, kernel: _strided_on_cpu(x, kernel, stride, padding),
        default=lambda x, kernel: _strided_by_lax(x, kernel, stride, padding),
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def transposed_conv2d(
    y: jax.Array, kernel: jax.Array, stride: int, padding: int, size: Size
) -> jax.Array:
    """The transpose of `strided_conv2d`: from its output's shape back to `[batch, *size, in]`."""
    return lax.platform_dependent(
        y,
        kernel,
        cpu=lambda y, kernel: _transposed_on_cpu(y, kernel, stride, padding, size),
        default=lambda y, kernel: _transposed_by_lax(y, kernel, stride, padding, size),
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _kernel_gradient(
    x: jax.Array, y: jax.Array, stride: int, padding: int, size: Size
) -> jax.Array:
    """Sum over all positions of the product of a strided convolution's input and output: a kernel of that size."""
    return lax.platform_dependent(
        x,
        y,
        cpu=lambda x, y: _kernel_gradient_on_cpu(x, y, stride, padding, size),
        default=lambda x, y: _kernel_gradient_by_lax(x, y, stride, padding, size),
    )


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


def _strided_by_lax(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> jax.Array:
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), ((padding, padding),) * 2, dimension_numbers=_IMAGES
    )


def _transposed_by_lax(
    y: jax.Array, kernel: jax.Array, stride: int, padding: int, size: Size
) -> jax.Array:
    image = jax.ShapeDtypeStruct((len(y), *size, kernel.shape[2]), y.dtype)
    (x,) = jax.linear_transpose(lambda x: _strided_by_lax(x, kernel, stride, padding), image)(y)
    return x


def _kernel_gradient_by_lax(
    x: jax.Array, y: jax.Array, stride: int, padding: int, size: Size
) -> jax.Array:
    wanted = jax.ShapeDtypeStruct((*size, x.shape[3], y.shape[3]), x.dtype)
    (kernel,) = jax.linear_transpose(
        lambda kernel: _strided_by_lax(x, kernel, stride, padding), wanted
    )(y)
    return kernel


# XLA's CPU backend multiplies the zeros of a dilated input and computes a kernel's gradient at a third of the speed of
# its matrix products.


def _strided_on_cpu(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> jax.Array:
    if padding == 0 and kernel.shape[:2] == x.shape[1:3]:
        return jnp.einsum("bhwi,hwio->bo", x, kernel)[:, None, None]
    if winograd.pays(kernel.shape, stride):
        return winograd.convolved(x, kernel, stride, padding)
    return _strided_by_lax(x, kernel, stride, padding)


def _transposed_on_cpu(
    y: jax.Array, kernel: jax.Array, stride: int, padding: int, size: Size
) -> jax.Array:
    if _fills_the_image(y, kernel.shape[:2], padding, size):
        return jnp.einsum("bo,hwio->bhwi", y[:, 0, 0], kernel)
    if winograd.pays(kernel.shape, stride):
        return winograd.transposed(y, kernel, stride, padding, size)
    return _transposed_by_products(y, kernel, stride, padding, size)


def _kernel_gradient_on_cpu(
    x: jax.Array, y: jax.Array, stride: int, padding: int, size: Size
) -> jax.Array:
    if _fills_the_image(y, size, padding, x.shape[1:3]):
        return jnp.einsum("bhwi,bo->hwio", x, y[:, 0, 0])
    if winograd.pays((*size, x.shape[3], y.shape[3]), stride):
        kernel = winograd.kernel_gradient(x, y, stride, padding)
    else:
        kernel = _kernel_gradient_by_products(x, y, stride, padding, size)
    # Without the barrier the optimiser's update would read the products in the kernel's order, element by element.
    return lax.optimization_barrier(kernel)


# Cut into blocks of stride x stride pixels, the image meets the kernel in `taps` blocks each way: one product for each
# of them.


def _transposed_by_products(
    y: jax.Array, kernel: jax.Array, stride: int, padding: int, size: Size
) -> jax.Array:
    rows, columns, outputs = y.shape[1:]
    channels = kernel.shape[2]
    high, wide = (_taps(length, stride) for length in kernel.shape[:2])
    blocks = _kernel_blocks(kernel, stride)

    def stamp(y: jax.Array) -> jax.Array:
        stamped = (y.reshape(-1, outputs) @ blocks.reshape(-1, outputs).T).reshape(
            -1, rows, columns, high, wide, stride * stride * channels
        )
        return functools.reduce(
            jnp.add,
            [
                jnp.pad(
                    stamped[:, :, :, i, j], ((0, 0), (i, high - 1 - i), (j, wide - 1 - j), (0, 0))
                )
                for i in range(high)
                for j in range(wide)
            ],
        )

    grid = few_at_a_time(stamp, y, images_a_product((rows, columns)))
    grid = grid.reshape(-1, rows + high - 1, columns + wide - 1, stride, stride, channels)
    padded = grid.transpose(0, 1, 3, 2, 4, 5).reshape(
        len(y), grid.shape[1] * stride, grid.shape[2] * stride, channels
    )
    cuts = [
        (-padding, full + padding - there, 0)
        for full, there in zip(size, padded.shape[1:3], strict=True)
    ]
    return lax.pad(padded, jnp.zeros((), y.dtype), ((0, 0, 0), *cuts, (0, 0, 0)))


def _kernel_gradient_by_products(
    x: jax.Array, y: jax.Array, stride: int, padding: int, size: Size
) -> jax.Array:
    rows, columns, outputs = y.shape[1:]
    channels = x.shape[3]
    high, wide = (_taps(length, stride) for length in size)
    blocks = _image_blocks(x, stride, padding, (rows + high - 1, columns + wide - 1))

    def add(total: jax.Array, group: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        blocks, y = group
        outer = y.reshape(-1, outputs).T
        products = [
            outer @ blocks[:, i : i + rows, j : j + columns].reshape(-1, blocks.shape[-1])
            for i in range(high)
            for j in range(wide)
        ]
        return total + jnp.stack(products), None

    most = images_a_product((rows, columns))
    start = jnp.zeros((high * wide, outputs, blocks.shape[-1]), x.dtype)
    total, _ = lax.scan(add, start, (in_groups(blocks, most), in_groups(y, most)))
    kernel = total.reshape(high, wide, outputs, stride, stride, channels)
    kernel = kernel.transpose(0, 3, 1, 4, 5, 2).reshape(
        high * stride, wide * stride, channels, outputs
    )
    return kernel[: size[0], : size[1]]


def _fills_the_image(
    y: jax.Array, kernel: Sequence[int], padding: int, size: Sequence[int]
) -> bool:
    """Whether the kernel lies on the image at one place only, as a matrix product does."""
    return y.shape[1:3] == (1, 1) and tuple(kernel) == tuple(size) and padding == 0


def _taps(kernel_length: int, stride: int) -> int:
    return -(-kernel_length // stride)


def _kernel_blocks(kernel: jax.Array, stride: int) -> jax.Array:
    """`[height, width, in, out]` to `[taps, taps, stride * stride * in, out]`."""
    high, wide = (_taps(length, stride) for length in kernel.shape[:2])
    channels, outputs = kernel.shape[2:]
    more = (high * stride - kernel.shape[0], wide * stride - kernel.shape[1])
    kernel = jnp.pad(kernel, ((0, more[0]), (0, more[1]), (0, 0), (0, 0)))
    blocks = kernel.reshape(high, stride, wide, stride, channels, outputs)
    return blocks.transpose(0, 2, 1, 3, 4, 5).reshape(high, wide, -1, outputs)


def _image_blocks(x: jax.Array, stride: int, padding: int, grid: Size) -> jax.Array:
    """`[batch, height, width, channels]` to `[batch, *grid, stride * stride * channels]`."""
    batch, *size, channels = x.shape
    cuts = [
        (padding, blocks * stride - padding - full, 0)
        for full, blocks in zip(size, grid, strict=True)
    ]
    padded = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *cuts, (0, 0, 0)))
    blocks = padded.reshape(batch, grid[0], stride, grid[1], stride, channels)
    return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(batch, *grid, -1)


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
