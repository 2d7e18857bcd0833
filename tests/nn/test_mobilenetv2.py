"""MobileNetV2's own rules: channels, padding of strided convolutions, the clipped rectifier."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from asd_jax.nn.clipped_batch_norm import ClippedBatchNorm, relu6
from asd_jax.nn.depthwise import _depthwise_by_lax, _depthwise_by_shifts, depthwise_conv2d
from asd_jax.nn.layers import BatchNorm
from asd_jax.nn.mobilenetv2 import (
    InvertedResidual,
    MobileNetV2,
    halving_padding,
    round_channels,
)

SMALL_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 1, 1))


def small(**changes: Any) -> MobileNetV2:
    sizes: dict[str, Any] = {"alpha": 0.5, "stages": SMALL_STAGES, "head_channels": 24}
    return MobileNetV2(3, **(sizes | changes), rngs=nnx.Rngs(0))


@pytest.mark.parametrize(
    ("channels", "rounded"),
    [(3, 8), (11.2, 16), (12, 16), (16, 16), (20, 24), (33.6, 32), (48, 48)],
)
def test_channels_are_multiples_of_eight(channels: float, rounded: int) -> None:
    """The nearest one, but never more than a tenth below: 11.2 becomes 16, 33.6 becomes 32."""
    assert round_channels(channels) == rounded


def test_the_full_network_has_the_published_number_of_parameters() -> None:
    """3,538,984 for alpha 1 and 1000 classes, statistics included, as Keras documents it."""
    shapes = nnx.eval_shape(lambda: MobileNetV2(1000, rngs=nnx.Rngs(0)))
    assert sum(leaf.size for leaf in jax.tree.leaves(nnx.state(shapes))) == 3_538_984


@pytest.mark.parametrize("size", [(6, 8), (7, 9), (6, 9), (7, 8), (1, 3)])
def test_a_strided_convolution_halves_rounding_up(size: tuple[int, int]) -> None:
    """The same grid as the "SAME" rule of XLA and TensorFlow, which pads the end first."""
    rng = np.random.default_rng(0)
    x, kernel = jnp.asarray(rng.normal(size=(2, *size, 4))), jnp.asarray(rng.normal(size=(3, 3, 4)))
    ours = depthwise_conv2d(x, kernel, 2, halving_padding(size))
    same = jax.lax.conv_general_dilated(
        x,
        kernel[:, :, None],
        (2, 2),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=4,
    )
    np.testing.assert_allclose(ours, same, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("padding", [((0, 1), (1, 1)), ((2, 0), (0, 1)), ((1, 1), (0, 0))])
@pytest.mark.parametrize("stride", [1, 2])
def test_gradients_of_one_sided_padding(padding: Any, stride: int) -> None:
    """The shifted form's own gradients respect which side has the zeros."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(2, 7, 8, 3)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 3)), jnp.float32)
    pulled = []
    for form in (_depthwise_by_shifts, _depthwise_by_lax):
        y, pull_back = jax.vjp(lambda x, kernel: form(x, kernel, stride, padding), x, kernel)  # noqa: B023
        pulled.append((y, *pull_back(jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))))
    for ours, reference in zip(*pulled, strict=True):
        np.testing.assert_allclose(ours, reference, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rows", [32, 33])
@pytest.mark.parametrize("stride", [1, 2])
def test_both_sums_of_the_kernel_s_gradient(rows: int, stride: int) -> None:
    """Written out up to 32 rows of output, reduced beyond."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(2, rows * stride, 6, 3)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(3, 3, 3)), jnp.float32)
    ours, expected = (
        jax.jit(jax.grad(lambda k: jnp.sum(jnp.sin(form(x, k, stride, 1)))))(kernel)  # noqa: B023
        for form in (_depthwise_by_shifts, _depthwise_by_lax)
    )
    np.testing.assert_allclose(ours, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("clip", [True, False])
def test_the_fused_normalisation_is_the_plain_one(clip: bool) -> None:
    """Value, both running statistics and all three gradients, in float64."""
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        x = jnp.asarray(rng.normal(3, 2, (4, 5, 6, 7)))
        weights = jnp.asarray(rng.normal(size=x.shape))
        params = {
            "scale": jnp.asarray(rng.normal(2, 1, 7)),
            "bias": jnp.asarray(rng.normal(2, 1, 7)),
        }
        fused = ClippedBatchNorm(7, momentum=0.1, clip=clip)
        plain = BatchNorm(7, momentum=0.1, epsilon=1e-3, unbiased=False)

        def outcome(norm: BatchNorm, rectify: Any) -> tuple[Any, Any]:
            graph, _, statistics = nnx.split(norm, nnx.Param, ...)  # type: ignore[misc]

            def loss(x: jax.Array, params: dict[str, jax.Array]) -> tuple[jax.Array, Any]:
                state = nnx.State({name: nnx.Param(value) for name, value in params.items()})
                module = nnx.merge(graph, state, statistics, copy=True)
                y = rectify(module(x, train=True))
                return jnp.sum(weights * y), (y, module.mean[...], module.variance[...])

            return jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(x, params)

        ours = outcome(fused, lambda y: y)
        expected = outcome(plain, relu6 if clip else lambda y: y)
        for mine, theirs in zip(jax.tree.leaves(ours), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-10)


def test_a_constant_image_is_normalised_without_nan() -> None:
    """Digital silence: the variance must not fall below zero through rounding."""
    norm = ClippedBatchNorm(2)
    y = norm(jnp.full((3, 4, 5, 2), -156.53), train=True)
    assert np.all(np.isfinite(y))
    assert np.all(np.asarray(norm.variance[...]) >= 0.99)


def test_the_rectifier_has_no_gradient_at_its_kinks() -> None:
    values = jnp.array([-1.0, 0.0, 3.0, 6.0, 7.0])
    np.testing.assert_array_equal(relu6(values), [0, 0, 3, 6, 6])
    np.testing.assert_array_equal(jax.vmap(jax.grad(relu6))(values), [0, 0, 1, 0, 0])


def test_equal_channels_are_heard_as_one() -> None:
    """The stem on one channel with the summed kernel is the stem on equal channels."""
    network = small()
    image = jnp.asarray(np.random.default_rng(0).normal(size=(2, 9, 12)), jnp.float32)
    expected = jax.lax.conv_general_dilated(
        jnp.stack([image] * 3, axis=-1),
        network.stem[...],
        (2, 2),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    np.testing.assert_allclose(network._stem(image), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [(16, 24), (15, 17), (3, 5)])
def test_taps_of_any_image_size(size: tuple[int, int]) -> None:
    taps = small()(jnp.ones((2, *size)), train=False)
    half = ((size[0] + 1) // 2, (size[1] + 1) // 2)
    quarter = ((half[0] + 1) // 2, (half[1] + 1) // 2)
    assert taps.stem.shape == (2, *half, 16)
    assert [block.shape for block in taps.blocks] == [
        (2, *half, 8),
        (2, *quarter, 16),
        (2, *quarter, 16),
        (2, *quarter, 16),
    ]
    assert taps.expanded.shape == (2, *quarter, 24)
    assert taps.pooled.shape == (2, 24)
    assert taps.logits.shape == (2, 3)


def test_only_a_wider_network_has_a_wider_head() -> None:
    assert small(alpha=0.5).head.shape[1] == 24
    assert small(alpha=2.0).head.shape[1] == 48


@pytest.mark.parametrize(
    ("out_channels", "stride", "residual"), [(8, 1, True), (16, 1, False), (8, 2, False)]
)
def test_the_residual_needs_equal_shapes(out_channels: int, stride: int, residual: bool) -> None:
    """With a projection that yields nothing the block is the identity, or nothing."""
    block = InvertedResidual(8, out_channels, 6, stride, 0.001, nnx.Rngs(0))
    assert block.residual == residual
    block.project.set_value(jnp.zeros_like(block.project[...]))
    x = jnp.ones((1, 4, 4, 8))
    y = block(x, train=False)
    np.testing.assert_array_equal(y, x if residual else jnp.zeros_like(y))


def test_running_statistics_keep_the_biased_variance() -> None:
    """As Keras 3: 0.999 of the old, 0.001 of the batch's population variance."""
    network = small()
    image = jnp.asarray(np.random.default_rng(0).normal(size=(2, 8, 8)), jnp.float32)
    responses = network._stem(image)
    network(image, train=True)
    expected = 0.999 + 0.001 * np.var(responses, axis=(0, 1, 2))
    np.testing.assert_allclose(network.stem_norm.variance[...], expected, rtol=1e-6)
