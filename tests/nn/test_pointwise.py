"""The 1x1 convolution's weight gradient, which takes different ways on large and on small images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asd_jax.nn.pointwise import pointwise_conv


@pytest.mark.parametrize("shape", [(4, 2, 3, 40), (4, 30, 3, 2), (4, 40), (2, 9, 9, 70)])
def test_the_weight_gradient_of_few_and_of_many_pixels(shape: tuple[int, ...]) -> None:
    """Few pixels or few channels, on either side, are one product; many of both are one a sample."""
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=shape), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(shape[-1], 64)), jnp.float32)
    weights = jnp.asarray(rng.normal(size=(*shape[:-1], 64)), jnp.float32)
    ours = jax.jit(jax.grad(lambda kernel: jnp.sum(weights * pointwise_conv(x, kernel))))(kernel)
    expected = np.float64(x).reshape(-1, shape[-1]).T @ np.float64(weights).reshape(-1, 64)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)
