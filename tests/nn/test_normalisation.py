"""Normalisations against their definitions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from asd_jax.nn.layers import BatchNorm
from asd_jax.nn.normalisation import (
    InstanceNorm,
    LayerNorm,
    NormKind,
    image_norm,
    scale_and_shift,
)


def images() -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).normal(2.0, 3.0, (4, 3, 5, 2)), jnp.float32)


def test_layer_norm_normalises_each_image_and_scales_each_element() -> None:
    norm = LayerNorm(3, 5, 2)
    scale = np.random.default_rng(1).normal(size=(3, 5, 2)).astype(np.float32)
    norm.scale.set_value(jnp.asarray(scale))
    norm.bias.set_value(jnp.asarray(scale + 1))
    x = np.asarray(images(), np.float64)
    flat = x.reshape(4, -1)
    normalised = (flat - flat.mean(1, keepdims=True)) / np.sqrt(flat.var(1, keepdims=True) + 1e-5)
    expected = normalised.reshape(x.shape) * scale + scale + 1
    np.testing.assert_allclose(norm(images(), train=True), expected, rtol=1e-4, atol=1e-5)


def test_scale_and_shift_has_the_gradients_of_the_plain_form_in_both_orders() -> None:
    """The sums over the batch run in a loop on the CPU; a gradient penalty differentiates them again."""
    with jax.enable_x64(True):
        rng = np.random.default_rng(2)
        x, towards = (jnp.asarray(rng.normal(size=(4, 3, 2))) for _ in range(2))
        scale, bias = (jnp.asarray(rng.normal(size=(3, 2))) for _ in range(2))

        def objective(form, *arguments):
            def value(*arguments):
                return jnp.sum(jnp.tanh(form(*arguments)) * towards)

            slopes = jax.grad(value, argnums=(0, 1, 2))(*arguments)
            return value(*arguments) + sum(jnp.sum(jnp.sin(slope)) for slope in slopes)

        ours, golden = (
            jax.jit(jax.grad(functools.partial(objective, form), argnums=(0, 1, 2)))(x, scale, bias)
            for form in (scale_and_shift, lambda x, scale, bias: x * scale + bias)
        )
        for mine, expected in zip(ours, golden, strict=True):
            np.testing.assert_allclose(mine, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("platform", ["cuda", "tpu"])
def test_accelerators_sum_over_the_batch_without_a_loop(platform: str) -> None:
    gradient = jax.jit(jax.grad(lambda s, x: jnp.sum(jnp.square(scale_and_shift(x, s, s)))))
    lowered = gradient.trace(jnp.ones(3), jnp.ones((4, 3))).lower(lowering_platforms=(platform,))
    assert "stablehlo.while" not in lowered.as_text()


def test_instance_norm_normalises_each_channel_of_each_image() -> None:
    norm = InstanceNorm()
    y = np.asarray(norm(images(), train=False))
    np.testing.assert_allclose(y.mean((1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(y.std((1, 2)), 1, rtol=1e-4)
    assert not jax.tree.leaves(nnx.state(norm))


@pytest.mark.parametrize("kind", ["layer", "instance", "none"])
def test_the_rest_of_the_batch_does_not_matter(kind: NormKind) -> None:
    """Unlike batch normalisation; training and evaluation do the same."""
    norm = image_norm(kind, 3, 5, 2)
    whole, alone = norm(images(), train=True), norm(images()[1:2], train=False)
    np.testing.assert_allclose(whole[1], alone[0], rtol=1e-5, atol=1e-6)


def test_batch_norm_is_chosen_by_name() -> None:
    norm = image_norm("batch", 3, 5, 2)
    assert isinstance(norm, BatchNorm)
    norm(images(), train=True)
    assert np.all(np.asarray(norm.mean[...]) != 0)


@pytest.mark.parametrize("kind", ["layer", "instance"])
def test_an_image_without_variance_keeps_values_and_gradients_finite(kind: NormKind) -> None:
    """Digital silence reaches the networks as a constant image."""
    norm = image_norm(kind, 3, 5, 2)
    flat = jnp.full((1, 3, 5, 2), 7.0)
    gradient = jax.grad(lambda x: jnp.sum(jnp.square(norm(x, train=True))))(flat)
    assert np.all(np.isfinite(norm(flat, train=True)))
    assert np.all(np.isfinite(gradient))


def test_an_unknown_name_is_an_error_that_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'group': choose layer, batch, instance or none"):
        image_norm("group", 3, 5, 2)  # type: ignore[arg-type]
