"""Normalisations that the published networks let one choose between."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from asd_jax.nn.layers import BatchNorm

NormKind = Literal["layer", "batch", "instance", "none"]

_EPSILON = 1e-5


class LayerNorm(nnx.Module):
    """Normalises every example over all its elements, with one scale and shift an element (Ba et al. 2016).

    `[batch, *shape]` to `[batch, *shape]`.
    """

    def __init__(self, *shape: int, epsilon: float = _EPSILON):
        self.scale = nnx.Param(jnp.ones(shape))
        self.bias = nnx.Param(jnp.zeros(shape))
        self.epsilon = epsilon

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        axes = tuple(range(1, x.ndim))
        mean = jnp.mean(x, axes, keepdims=True)
        # As Flax has it: one pass over images that the deviations from the mean would have to be written for.
        variance = jnp.maximum(jnp.mean(jnp.square(x), axes, keepdims=True) - jnp.square(mean), 0)
        normalised = (x - mean) * lax.rsqrt(variance + self.epsilon)
        return scale_and_shift(normalised, self.scale[...], self.bias[...])


class InstanceNorm(nnx.Module):
    """Normalises every channel of every image over its positions, with nothing to learn (Ulyanov et al. 2016).

    `[batch, height, width, channels]` to the same.
    """

    def __init__(self, *, epsilon: float = _EPSILON):
        self.epsilon = epsilon

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        axes = tuple(range(1, x.ndim - 1))
        # Two passes: a channel's mean may be far larger than its deviation.
        centred = x - jnp.mean(x, axes, keepdims=True)
        variance = jnp.mean(jnp.square(centred), axes, keepdims=True)
        return centred * lax.rsqrt(variance + self.epsilon)


class NoNorm(nnx.Module):
    """Leaves everything as it is."""

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        return x


Norm = LayerNorm | BatchNorm | InstanceNorm | NoNorm


def image_norm(kind: NormKind, height: int, width: int, channels: int) -> Norm:
    """The normalisation of that name for `[batch, height, width, channels]`.

    Raises:
        ValueError: there is none of that name.
    """
    if kind == "layer":
        return LayerNorm(height, width, channels)
    if kind == "batch":
        return BatchNorm(channels)
    if kind == "instance":
        return InstanceNorm()
    if kind == "none":
        return NoNorm()
    raise ValueError(f"no normalisation {kind!r}: choose layer, batch, instance or none")


@jax.custom_vjp
def scale_and_shift(x: jax.Array, scale: jax.Array, bias: jax.Array) -> jax.Array:
    """`[batch, ...]` times `[...]` plus `[...]`, with gradients that are summed quickly on every backend."""
    return x * scale + bias


@jax.custom_vjp
def _batch_sums(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Sums over the batch of `x * y` and of `y`: the gradients of scale and shift where `y` is the output's."""
    return lax.platform_dependent(x, y, cpu=_sums_by_sample, default=_sums)


def _sums(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.sum(x * y, axis=0), jnp.sum(y, axis=0)


def _sums_by_sample(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    # XLA's CPU backend walks through the batch for one element after the other: ten times slower than in its order.
    def add(sums, sample):
        x, y = sample
        return (sums[0] + x * y, sums[1] + y), None

    zeros = jnp.zeros(x.shape[1:], x.dtype)
    return lax.scan(add, (zeros, zeros), (x, y))[0]


def _scale_and_shift_forward(x, scale, bias):
    return scale_and_shift(x, scale, bias), (x, scale)


def _scale_and_shift_backward(residuals, dy):
    x, scale = residuals
    return scale_and_shift(dy, scale, jnp.zeros_like(scale)), *_batch_sums(x, dy)


def _batch_sums_forward(x, y):
    return _batch_sums(x, y), (x, y)


def _batch_sums_backward(residuals, cotangents):
    x, y = residuals
    by_product, by_y = cotangents
    return (
        scale_and_shift(y, by_product, jnp.zeros_like(by_product)),
        scale_and_shift(x, by_product, by_y),
    )


scale_and_shift.defvjp(_scale_and_shift_forward, _scale_and_shift_backward)
_batch_sums.defvjp(_batch_sums_forward, _batch_sums_backward)
