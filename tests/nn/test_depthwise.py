"""The shifted form of the depthwise convolution is the convolution, in value and in both gradients."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asd_jax.nn.depthwise import _depthwise_by_lax, _depthwise_by_shifts, depthwise_conv2d

BATCH, CHANNELS = 2, 3


def value_and_gradients(
    form: Any, x: jax.Array, kernel: jax.Array, stride: int, padding: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    @jax.jit
    def compute(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        y, pull_back = jax.vjp(lambda x, kernel: form(x, kernel, stride, padding), x, kernel)
        weights = jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape)
        return (y, *pull_back(weights))

    return compute(x, kernel)


def assert_forms_agree(
    image: tuple[int, int],
    kernel_size: tuple[int, int],
    stride: int,
    padding: int,
    precision: Any,
    tolerance: float,
) -> None:
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(BATCH, *image, CHANNELS)), precision)
    kernel = jnp.asarray(rng.normal(size=(*kernel_size, CHANNELS)), precision)
    ours = value_and_gradients(_depthwise_by_shifts, x, kernel, stride, padding)
    reference = value_and_gradients(_depthwise_by_lax, x, kernel, stride, padding)
    for mine, theirs in zip(ours, reference, strict=True):
        assert mine.dtype == theirs.dtype == precision
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=10 * tolerance)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 2])
@pytest.mark.parametrize(
    ("image", "kernel_size"), [((7, 9), (3, 3)), ((8, 6), (5, 3)), ((6, 7), (3, 3))]
)
def test_value_and_gradients_equal_the_library_convolution(
    image: tuple[int, int], kernel_size: tuple[int, int], stride: int, padding: int
) -> None:
    assert_forms_agree(image, kernel_size, stride, padding, np.float32, 1e-5)


@pytest.mark.parametrize("stride", [1, 2])
def test_float64_stays_float64(stride: int) -> None:
    with jax.enable_x64(True):
        assert_forms_agree((8, 7), (3, 3), stride, 1, np.float64, 1e-13)


def test_the_platform_form_is_differentiable_in_jit() -> None:
    """`depthwise_conv2d` chooses the form for the platform; the choice survives jit and differentiation."""
    x, kernel = jnp.ones((2, 5, 5, 4)), jnp.ones((3, 3, 4))
    gradient = jax.jit(jax.grad(lambda k: jnp.sum(depthwise_conv2d(x, k, 2, 1))))(kernel)
    expected = jax.grad(lambda k: jnp.sum(_depthwise_by_lax(x, k, 2, 1)))(kernel)
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)


def test_channels_do_not_mix() -> None:
    x = jnp.zeros((1, 5, 5, 3)).at[..., 1].set(1.0)
    y = depthwise_conv2d(x, jnp.ones((3, 3, 3)), 1, 1)
    assert np.all(np.asarray(y[..., [0, 2]]) == 0)
    assert float(y[0, 2, 2, 1]) == 9
    assert float(y[0, 0, 0, 1]) == 4
