"""1x1 convolution as the matrix product that it is, with a weight gradient that suits the CPU."""

import jax
import jax.numpy as jnp
from jax import lax

_MANY_CHANNELS = 64


@jax.custom_vjp
def pointwise_conv(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """`[batch, ..., in]` and `[in, out]` to `[batch, ..., out]`."""
    return x @ kernel


def _forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return pointwise_conv(x, kernel), (x, kernel)


def _backward(
    residuals: tuple[jax.Array, jax.Array], cotangent: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, kernel = residuals
    return cotangent @ kernel.T, lax.platform_dependent(
        x, cotangent, cpu=_kernel_gradient_on_cpu, default=_kernel_gradient
    )


pointwise_conv.defvjp(_forward, _backward)


def _kernel_gradient(x: jax.Array, dy: jax.Array) -> jax.Array:
    return x.reshape(-1, x.shape[-1]).T @ dy.reshape(-1, dy.shape[-1])


def _kernel_gradient_on_cpu(x: jax.Array, dy: jax.Array) -> jax.Array:
    # One product over all positions makes XLA's CPU backend transpose its first operand, element by element and
    # inside the fusion that computes it. That is cheap for few channels or few positions; otherwise one product a
    # sample, which transposes nothing, takes a quarter of the time.
    inputs, outputs = x.shape[-1], dy.shape[-1]
    positions = x[0].size // inputs
    is_small = positions * (inputs + outputs) < inputs * outputs
    if not is_small and min(inputs, outputs) >= _MANY_CHANNELS:
        return _kernel_gradient_by_sample(x, dy)
    if inputs <= outputs:
        return _kernel_gradient(x, dy)
    return _kernel_gradient(dy, x).T


def _kernel_gradient_by_sample(x: jax.Array, dy: jax.Array) -> jax.Array:
    batch = x.shape[0]
    by_sample = jnp.einsum(
        "bpi,bpo->bio", x.reshape(batch, -1, x.shape[-1]), dy.reshape(batch, -1, dy.shape[-1])
    )
    return jnp.sum(by_sample, axis=0)
