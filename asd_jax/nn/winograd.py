"""Convolutions that meet the image in two blocks each way, with 9 products for four outputs instead of 16.

Winograd's minimal filtering (Lavin and Gray, arXiv 1509.09308), F(2 x 2, 2 x 2). Cut into blocks of stride x stride
pixels, an image is convolved with two blocks of the kernel each way, k_0 and k_1. Along one axis two neighbouring
outputs of the blocks d_0, d_1 and d_2 are

    y_0 = d_0 k_0 + d_1 k_1 = (d_0 - d_1) k_0 + d_1 (k_0 + k_1)
    y_1 = d_1 k_0 + d_2 k_1 = d_1 (k_0 + k_1) - (d_1 - d_2) k_1,

three products instead of four, and 9 instead of 16 along both. The algorithm has three sides, all of sums and
differences: blocks of the image, blocks of the kernel, outputs. Products of any two of them, and the transpose of the
third side's sums, are the convolution, its transpose, and the gradient with respect to the kernel.

Images are `[batch, height, width, channels]`, kernels `[kernel_height, kernel_width, in, out]`.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax

from asd_jax.nn.groups import few_at_a_time, images_a_product, in_groups

# Columns below which the sums cost more than the products that they save.
_NARROWEST = 64

Size = tuple[int, int]
# One array for each of the 3 x 3 pairs of sums along both axes (or, for one row of them, three).
Nine = list[jax.Array]


def pays(kernel: Sequence[int], stride: int) -> bool:
    """Whether the kernel, `[height, width, in, out]`, is two blocks long each way and wide enough for products."""
    *lengths, channels, outputs = kernel
    narrower = min(stride * stride * channels, outputs)
    return all(length == 2 * stride for length in lengths) and narrower >= _NARROWEST


def convolved(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> jax.Array:
    """The convolution: `[batch, height, width, in]` to `[batch, rows, columns, out]`."""
    rows, columns = ((length + 2 * padding) // stride - 1 for length in x.shape[1:3])
    tiles = _tiles((rows, columns))
    kernels = _kernel_side(kernel, stride)

    def convolve(x: jax.Array) -> jax.Array:
        images = _image_side(x, stride, padding, tiles)
        return _outputs(
            [image @ kernel for image, kernel in zip(images, kernels, strict=True)], tiles
        )

    return few_at_a_time(convolve, x, images_a_product(tiles))[:, :rows, :columns]


def transposed(y: jax.Array, kernel: jax.Array, stride: int, padding: int, size: Size) -> jax.Array:
    """The convolution's transpose: `[batch, rows, columns, out]` to `[batch, *size, in]`."""
    tiles = _tiles(y.shape[1:3])
    kernels = _kernel_side(kernel, stride)

    def transpose(y: jax.Array) -> jax.Array:
        outputs = _output_side(y, tiles)
        products = [output @ kernel.T for output, kernel in zip(outputs, kernels, strict=True)]
        return _image(products, tiles, stride, padding, size)

    return few_at_a_time(transpose, y, images_a_product(tiles))


def kernel_gradient(x: jax.Array, y: jax.Array, stride: int, padding: int) -> jax.Array:
    """Sum over all positions of the product of a convolution's input and output: a kernel."""
    tiles = _tiles(y.shape[1:3])

    def add(total: Nine, group: tuple[jax.Array, jax.Array]) -> tuple[Nine, None]:
        images = _image_side(group[0], stride, padding, tiles)
        outputs = _output_side(group[1], tiles)
        products = [output.T @ image for output, image in zip(outputs, images, strict=True)]
        return jax.tree.map(jnp.add, total, products), None

    most = images_a_product(tiles)
    zeros = jnp.zeros((y.shape[3], stride * stride * x.shape[3]), x.dtype)
    total, _ = lax.scan(add, [zeros] * 9, (in_groups(x, most), in_groups(y, most)))
    return _kernel([product.T for product in total], stride)


def _tiles(outputs: Sequence[int]) -> Size:
    return (outputs[0] + 1) // 2, (outputs[1] + 1) // 2


def _image_side(x: jax.Array, stride: int, padding: int, tiles: Size) -> Nine:
    """(d_0 - d_1, d_1, d_1 - d_2) along both axes, each `[batch * tiles, stride * stride * channels]`."""
    batch, *size, channels = x.shape
    grid = [2 * number + 1 for number in tiles]
    cuts = [
        (padding, blocks * stride - padding - full, 0)
        for full, blocks in zip(size, grid, strict=True)
    ]
    padded = lax.pad(x, jnp.zeros((), x.dtype), ((0, 0, 0), *cuts, (0, 0, 0)))
    # The rows of a block stay apart until after the differences: XLA's CPU backend computes them twice as fast.
    blocks = padded.reshape(batch, grid[0], stride, grid[1], stride * channels).swapaxes(2, 3)

    def differences(blocks: jax.Array, axis: int) -> list[jax.Array]:
        last = blocks.shape[axis]
        first, second, third = (
            lax.slice_in_dim(blocks, i, last - 2 + i, 2, axis) for i in range(3)
        )
        return [first - second, second, second - third]

    return [
        both.reshape(batch * tiles[0] * tiles[1], -1)
        for one in differences(blocks, 1)
        for both in differences(one, 2)
    ]


def _image(sides: Nine, tiles: Size, stride: int, padding: int, size: Size) -> jax.Array:
    """The transpose of `_image_side`."""
    high, wide = tiles
    channels = sides[0].shape[1] // stride**2
    shape = (-1, high, wide, stride, stride * channels)

    def blocks(three: Nine, axis: int) -> jax.Array:
        first, second, third = three
        before, after = [(0, 0)] * first.ndim, [(0, 0)] * first.ndim
        before[axis], after[axis] = (1, 0), (0, 1)
        even = jnp.pad(first, after) - jnp.pad(third, before)
        odd = jnp.pad(second + third - first, after)
        both = jnp.stack([even, odd], axis + 1)
        length = 2 * even.shape[axis]
        return both.reshape(*both.shape[:axis], length, *both.shape[axis + 2 :])

    nine = [side.reshape(shape) for side in sides]
    rows = [blocks(nine[3 * i : 3 * i + 3], axis=2) for i in range(3)]
    image = blocks(rows, axis=1).swapaxes(2, 3)
    padded = image.reshape(len(image), image.shape[1] * stride, -1, channels)
    cuts = [
        (-padding, full + padding - there, 0)
        for full, there in zip(size, padded.shape[1:3], strict=True)
    ]
    return lax.pad(padded, jnp.zeros((), padded.dtype), ((0, 0, 0), *cuts, (0, 0, 0)))


def _kernel_side(kernel: jax.Array, stride: int) -> Nine:
    """(k_0, k_0 + k_1, k_1) along both axes, each `[stride * stride * in, out]`."""
    channels, outputs = kernel.shape[2:]
    blocks = kernel.reshape(2, stride, 2, stride, channels, outputs)

    def sums(blocks: jax.Array, axis: int) -> list[jax.Array]:
        first, second = (lax.index_in_dim(blocks, i, axis, keepdims=False) for i in range(2))
        return [first, first + second, second]

    return [both.reshape(-1, outputs) for one in sums(blocks, 0) for both in sums(one, 1)]


def _kernel(sides: Nine, stride: int) -> jax.Array:
    """The transpose of `_kernel_side`."""
    outputs = sides[0].shape[1]
    nine = [side.reshape(stride, stride, -1, outputs) for side in sides]

    def blocks(three: Nine, axis: int) -> jax.Array:
        first, second, third = three
        return jnp.stack([first + second, second + third], axis)

    rows = [blocks(nine[3 * i : 3 * i + 3], axis=1) for i in range(3)]
    return blocks(rows, axis=0).reshape(2 * stride, 2 * stride, -1, outputs)


def _output_side(y: jax.Array, tiles: Size) -> Nine:
    """(y_0, y_0 + y_1, -y_1) along both axes, each `[batch * tiles, channels]`."""
    more = [(0, 2 * number - there) for number, there in zip(tiles, y.shape[1:3], strict=True)]
    padded = jnp.pad(y, ((0, 0), *more, (0, 0)))

    def sums(y: jax.Array, axis: int) -> list[jax.Array]:
        first, second = (lax.slice_in_dim(y, i, None, 2, axis) for i in range(2))
        return [first, first + second, -second]

    return [both.reshape(-1, y.shape[3]) for one in sums(padded, 1) for both in sums(one, 2)]


def _outputs(sides: Nine, tiles: Size) -> jax.Array:
    """The transpose of `_output_side`: `[batch, 2 * high, 2 * wide, channels]`."""
    high, wide = tiles
    nine = [side.reshape(-1, high, wide, side.shape[1]) for side in sides]

    def pair(three: Nine, axis: int) -> jax.Array:
        first, second, third = three
        return jnp.stack([first + second, second - third], axis)

    rows = [pair(nine[3 * i : 3 * i + 3], axis=3) for i in range(3)]
    return pair(rows, axis=2).reshape(-1, 2 * high, 2 * wide, sides[0].shape[1])
