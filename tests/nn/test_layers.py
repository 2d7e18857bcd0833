"""Layers against their definitions, and MobileFaceNet's shapes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from asd_jax.nn.layers import (
    BatchNorm,
    Conv1D,
    DepthwiseConv,
    GlobalDepthwiseConv,
    PointwiseConv,
    PReLU,
)
from asd_jax.nn.mobilefacenet import MobileFaceNet, image_of
from asd_jax.nn.transposed import StridedConv2D


def normal(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).normal(2.0, 3.0, shape), jnp.float32)


def test_batch_norm_records_the_unbiased_and_normalises_with_the_biased_variance() -> None:
    x = normal(2, 3, 2, 4)
    norm = BatchNorm(4, momentum=0.1)
    y = norm(x, train=True)
    flat = np.asarray(x).reshape(-1, 4)
    np.testing.assert_allclose(norm.mean[...], 0.1 * flat.mean(0), rtol=1e-5)
    np.testing.assert_allclose(norm.variance[...], 0.9 + 0.1 * flat.var(0, ddof=1), rtol=1e-5)
    np.testing.assert_allclose(np.asarray(y).reshape(-1, 4).std(0), 1, rtol=1e-4)


def test_batch_norm_in_evaluation_uses_and_keeps_the_running_statistics() -> None:
    norm = BatchNorm(2)
    norm.mean.set_value(jnp.array([1.0, -1.0]))
    norm.variance.set_value(jnp.array([4.0, 9.0]))
    norm.scale.set_value(jnp.array([2.0, 3.0]))
    norm.bias.set_value(jnp.array([0.5, 0.0]))
    y = norm(jnp.array([[3.0, 2.0]]), train=False)
    np.testing.assert_allclose(y, [[2.5, 3.0]], rtol=1e-5)
    np.testing.assert_array_equal(norm.mean[...], [1.0, -1.0])


def test_batch_norm_of_a_single_row_stays_finite() -> None:
    """One value a channel has no unbiased variance; the recorded one is zero, not NaN."""
    norm = BatchNorm(3)
    assert np.all(np.isfinite(norm(normal(1, 3), train=True)))
    np.testing.assert_allclose(norm.variance[...], 0.9)


def test_prelu_has_one_slope_a_channel() -> None:
    activation = PReLU(2)
    activation.slope.set_value(jnp.array([0.5, -1.0]))
    y = activation(jnp.array([[-2.0, -2.0], [3.0, 0.0]]))
    np.testing.assert_array_equal(y, [[-1.0, 2.0], [3.0, 0.0]])


@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 1), (2, 1)])
def test_dense_convolution_is_a_sum_of_products(stride: int, padding: int) -> None:
    x = normal(1, 6, 5, 2)
    layer = StridedConv2D(2, 3, (3, 3), stride=stride, padding=padding, rngs=nnx.Rngs(0))
    padded = np.pad(np.asarray(x), ((0, 0), (padding,) * 2, (padding,) * 2, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
    expected = np.einsum("bhwiyx,yxio->bhwo", windows, layer.kernel[...])[:, ::stride, ::stride]
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-4)


def test_convolution_over_time_is_a_sum_of_products() -> None:
    x = normal(2, 7, 3)
    layer = Conv1D(3, 4, 3, padding=1, rngs=nnx.Rngs(0))
    padded = np.pad(np.asarray(x), ((0, 0), (1, 1), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 3, 1)
    expected = np.einsum("btik,kio->bto", windows, layer.kernel[...])
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-4)


def test_initial_kernels_are_bounded_by_their_fan_in() -> None:
    """Uniform within 1 / sqrt(fan-in), as the published networks start; a depthwise kernel's fan-in is its area."""
    rngs = nnx.Rngs(0)
    kernels = [
        (PointwiseConv(64, 256, rngs=rngs).kernel, 64),
        (DepthwiseConv(256, (3, 3), rngs=rngs).kernel, 9),
        (GlobalDepthwiseConv(256, (8, 20), rngs=rngs).kernel, 160),
        (StridedConv2D(2, 64, (3, 3), rngs=rngs).kernel, 18),
        (Conv1D(128, 128, 3, padding=1, rngs=rngs).kernel, 384),
    ]
    for kernel, fan_in in kernels:
        largest = float(jnp.abs(kernel[...]).max())
        assert 0.9 / fan_in**0.5 < largest <= 1 / fan_in**0.5


@pytest.mark.parametrize("size", [(128, 313), (128, 63), (16, 9), (33, 17)])
def test_mobilefacenet_fits_every_image_size(size: tuple[int, int]) -> None:
    """The global depthwise convolution takes its size from the image: odd, even, long and small ones."""
    network = nnx.eval_shape(lambda: MobileFaceNet(size, 2, features=32, rngs=nnx.Rngs(0)))
    graph, state = nnx.split(network)
    image = jax.ShapeDtypeStruct((5, *size, 2), jnp.float32)
    taps = jax.eval_shape(lambda state, x: nnx.merge(graph, state)(x, train=False), state, image)
    assert taps.feature.shape == (5, 32)
    assert taps.stem.shape == (5, (size[0] + 1) // 2, (size[1] + 1) // 2, 64)
    assert taps.pooled.shape == (5, 512)


def test_planes_become_the_channels_of_an_image() -> None:
    image = image_of((jnp.zeros((2, 5, 3)), jnp.ones((2, 5, 3))))
    assert image.shape == (2, 3, 5, 2)
    np.testing.assert_array_equal(image[..., 0], 0)
    np.testing.assert_array_equal(image[..., 1], 1)
