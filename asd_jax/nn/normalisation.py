"""Normalisations that the published networks let one choose between."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

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
        normalised = _normalise(x, tuple(range(1, x.ndim)), self.epsilon)
        return normalised * self.scale[...] + self.bias[...]


class InstanceNorm(nnx.Module):
    """Normalises every channel of every image over its positions, with nothing to learn (Ulyanov et al. 2016).

    `[batch, height, width, channels]` to the same.
    """

    def __init__(self, *, epsilon: float = _EPSILON):
        self.epsilon = epsilon

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        return _normalise(x, tuple(range(1, x.ndim - 1)), self.epsilon)


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


def _normalise(x: jax.Array, axes: tuple[int, ...], epsilon: float) -> jax.Array:
    centred = x - jnp.mean(x, axes, keepdims=True)
    variance = jnp.mean(jnp.square(centred), axes, keepdims=True)
    return centred * jax.lax.rsqrt(variance + epsilon)
