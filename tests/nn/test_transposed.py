"""Strided and transposed convolutions against their definitions, in value and in every derivative."""

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from asd_jax.nn.transposed import (
    ConvTranspose2D,
    StridedConv2D,
    strided_conv2d,
    transposed_conv2d,
)

SHAPES = [
    # stride, padding, kernel, image
    (2, 1, (4, 4), (8, 6)),
    (2, 1, (4, 4), (7, 9)),
    (1, 0, (4, 4), (4, 4)),
    (1, 1, (3, 3), (5, 4)),
    (2, 0, (3, 2), (7, 6)),
    (3, 1, (2, 5), (8, 10)),
    (2, 1, (1, 3), (5, 5)),
]


def normal(seed: int, *shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def by_definition(x: np.ndarray, kernel: np.ndarray, stride: int, padding: int) -> np.ndarray:
    """Every input pixel stamps the kernel, times its value, onto the output; the margin is cut off."""
    batch, height, width, _ = x.shape
    rows, columns, _, out = kernel.shape
    full = np.zeros((batch, (height - 1) * stride + rows, (width - 1) * stride + columns, out))
    for i, j, a, b in itertools.product(range(height), range(width), range(rows), range(columns)):
        full[:, i * stride + a, j * stride + b] += x[:, i, j] @ kernel[a, b]
    return full[:, padding : full.shape[1] - padding, padding : full.shape[2] - padding]


def plain(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> jax.Array:
    """The convolution without our derivatives."""
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        ((padding, padding),) * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


@pytest.mark.parametrize(("stride", "padding", "kernel", "image"), SHAPES[:6])
def test_the_layer_is_pytorchs_transposed_convolution(stride, padding, kernel, image) -> None:
    layer = ConvTranspose2D(
        2, 3, kernel, stride=stride, padding=padding, use_bias=True, rngs=nnx.Rngs(0)
    )
    assert layer.bias is not None
    layer.bias.set_value(jnp.array([1.0, -2.0, 0.5]))
    x = normal(0, 2, *image, 2)
    expected = by_definition(np.asarray(x), np.asarray(layer.kernel[...]), stride, padding)
    np.testing.assert_allclose(
        layer(x), expected + np.array([1.0, -2.0, 0.5]), rtol=1e-4, atol=1e-5
    )


def test_kernel_4_stride_2_padding_1_doubles_the_image() -> None:
    layer = ConvTranspose2D(1, 2, (4, 4), stride=2, padding=1, rngs=nnx.Rngs(0))
    assert layer(normal(0, 1, 5, 8, 1)).shape == (1, 10, 16, 2)


def test_initial_values_spread_as_in_pytorch() -> None:
    """Uniform within 1 / sqrt(fan-in), which PyTorch counts over the outputs of a transposed convolution."""
    kernel = ConvTranspose2D(64, 4, (4, 4), rngs=nnx.Rngs(0)).kernel[...]
    assert kernel.shape == (4, 4, 64, 4)
    assert 0.98 < float(jnp.max(jnp.abs(kernel))) * np.sqrt(4 * 16) <= 1
    kernel = StridedConv2D(4, 64, (4, 4), rngs=nnx.Rngs(0)).kernel[...]
    assert 0.98 < float(jnp.max(jnp.abs(kernel))) * np.sqrt(4 * 16) <= 1


@pytest.mark.parametrize(("stride", "padding", "kernel", "image"), SHAPES)
def test_gradients_of_first_and_second_order_are_those_of_the_plain_form(
    stride, padding, kernel, image
) -> None:
    """A penalty on the input gradient, differentiated by everything: all three functions as derivatives of another."""
    with jax.enable_x64(True):
        x = normal(1, 2, *image, 3).astype(jnp.float64)
        weights = normal(2, *kernel, 3, 2).astype(jnp.float64)
        towards = normal(3, *plain(x, weights, stride, padding).shape).astype(jnp.float64)

        def objective(convolve, x, weights):
            def value(x):
                return jnp.sum(jnp.tanh(convolve(x, weights, stride, padding)) * towards)

            slope = jax.grad(value)(x)
            return value(x) + jnp.sum(jnp.sin(slope) * slope)

        ours, golden = (
            jax.jit(jax.grad(lambda x, w, f=f: objective(f, x, w), argnums=(0, 1)))(x, weights)
            for f in (strided_conv2d, plain)
        )
        for mine, expected in zip(ours, golden, strict=True):
            np.testing.assert_allclose(mine, expected, rtol=1e-9, atol=1e-9)


def test_gradients_of_the_transposed_convolution_of_second_order() -> None:
    """The generator's side: the transposed form differentiated twice, by its input and by its kernel."""
    with jax.enable_x64(True):
        y = normal(1, 2, 3, 4, 2).astype(jnp.float64)
        weights = normal(2, 4, 4, 3, 2).astype(jnp.float64)

        def transposed(y, weights):
            return transposed_conv2d(y, weights, 2, 1, (6, 8))

        def reference(y, weights):
            x = jnp.zeros((2, 6, 8, 3))
            return jax.vjp(lambda x: plain(x, weights, 2, 1), x)[1](y)[0]

        def objective(f, y, weights):
            slope = jax.grad(lambda y: jnp.sum(jnp.tanh(f(y, weights))))(y)
            return jnp.sum(jnp.square(slope)) + jnp.sum(jnp.sin(f(y, weights)))

        ours, golden = (
            jax.jit(jax.grad(lambda y, w, f=f: objective(f, y, w), argnums=(0, 1)))(y, weights)
            for f in (transposed, reference)
        )
        for mine, expected in zip(ours, golden, strict=True):
            np.testing.assert_allclose(mine, expected, rtol=1e-9, atol=1e-9)


def second_order(x: jax.Array, weights: jax.Array) -> jax.Array:
    def slope(x):
        return jnp.sum(jnp.square(strided_conv2d(x, weights, 2, 1)))

    return jnp.sum(jnp.square(jax.grad(slope)(x)))


def test_every_convolution_in_a_loop_has_the_order_of_dimensions_that_the_cpu_is_fast_at() -> None:
    """Minibatches run in a loop, where the CPU backend does not reorder; other orders take 30 times as long."""
    if jax.default_backend() != "cpu":
        pytest.skip("it is the CPU backend's weakness")

    def learn(weights, x):
        return weights - 0.1 * jax.grad(second_order, argnums=1)(x, weights), None

    xs, weights = normal(0, 3, 2, 8, 8, 2), normal(1, 4, 4, 2, 3)
    compiled = jax.jit(lambda w, xs: lax.scan(learn, w, xs)[0]).lower(weights, xs).compile()
    orders = set(re.findall(r"dim_labels=([^,\s]+)", compiled.as_text() or ""))
    assert orders == {"b01f_01io->b01f"}


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_accelerators_keep_the_dilated_form(platform: str) -> None:
    """Four small convolutions instead of one are the CPU's way alone."""
    gradient = jax.jit(jax.grad(lambda x, w: jnp.sum(jnp.square(strided_conv2d(x, w, 2, 1)))))
    lowered = gradient.trace(normal(0, 2, 8, 8, 2), normal(1, 4, 4, 2, 3)).lower(
        lowering_platforms=(platform,)
    )
    convolutions = [line for line in lowered.as_text().splitlines() if "convolution(" in line]
    assert len(convolutions) == 2
    assert sum("lhs_dilate = [2, 2]" in line for line in convolutions) == 1


@pytest.mark.parametrize(("stride", "padding", "kernel", "image"), SHAPES)
def test_the_accelerators_form_gives_the_same_image(stride, padding, kernel, image) -> None:
    from asd_jax.nn import transposed

    weights = normal(2, *kernel, 3, 2)
    y = normal(3, *plain(normal(1, 2, *image, 3), weights, stride, padding).shape)
    cpu = transposed._transposed_by_products(y, weights, stride, padding, image)
    other = transposed._transposed_by_lax(y, weights, stride, padding, image)
    assert cpu.shape == (2, *image, 3)
    np.testing.assert_allclose(cpu, other, rtol=1e-4, atol=1e-5)
