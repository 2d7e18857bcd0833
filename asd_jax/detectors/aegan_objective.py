"""Losses and scores of AEGAN-AD (Jiang et al., arXiv 2303.17949, section 2)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

_POOLS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "sum": jnp.sum,
    "min": jnp.min,
    "max": jnp.max,
}

SCORE_NAMES = tuple(
    f"{error}_{pool}"
    for error in ("G_x_2", "G_x_1", "G_z_2", "G_z_1", "G_z_cos")
    for pool in _POOLS
)
"""The scores of `reconstruction_scores`."""


def mix(image: jax.Array, reconstruction: jax.Array, alpha: jax.Array) -> jax.Array:
    """Points between the two, `alpha` `[batch]` of the way to the image."""
    part = alpha[:, None, None, None]
    return part * image + (1 - part) * reconstruction


def gradient_penalty(
    predict: Callable[[jax.Array], tuple[jax.Array, Any]], mixture: jax.Array, epsilon: float
) -> tuple[jax.Array, Any]:
    """Mean squared distance of the gradients' norms from 1 (Gulrajani et al. 2017), and what `predict` adds.

    Args:
        predict: images to predictions `[batch]` and an addition.
        mixture: where the gradient is taken, `[batch, height, width, channels]`.
        epsilon: added under the root; without it a vanishing gradient gives NaN.
    """

    def total(mixture: jax.Array) -> tuple[jax.Array, Any]:
        prediction, addition = predict(mixture)
        return jnp.sum(prediction), addition

    gradient, addition = jax.grad(total, has_aux=True)(mixture)
    squared = jnp.sum(jnp.square(gradient), axis=(1, 2, 3))
    return jnp.mean(jnp.square(jnp.sqrt(squared + epsilon) - 1)), addition


def matching_loss(
    real: jax.Array, fake: jax.Array, mean_weight: float, deviation_weight: float, epsilon: float
) -> jax.Array:
    """Weighted squared distances of two batches' mean features and of their deviations (equations 2 and 3).

    Args:
        real: features of images, `[batch, channels]`.
        fake: features of their reconstructions.
        mean_weight: of the distance of the means.
        deviation_weight: of the distance of the standard deviations.
        epsilon: added under their root; without it features that do not vary give NaN.
    """
    distance = mean_weight * jnp.mean(jnp.square(real.mean(0) - fake.mean(0)))
    if not deviation_weight:
        return distance
    deviations = [jnp.sqrt(jnp.var(each, axis=0) + epsilon) for each in (real, fake)]
    return distance + deviation_weight * jnp.mean(jnp.square(deviations[0] - deviations[1]))


def reconstruction_scores(
    image: jax.Array, reconstruction: jax.Array, latent: jax.Array, latent_again: jax.Array
) -> dict[str, jax.Array]:
    """The published `G_` scores of one clip: errors of its excerpts, pooled by sum, minimum and maximum.

    `G_x` are sums over the image of squared (2) and absolute (1) errors; `G_z` are the same between the latent vectors
    of the image and of its reconstruction, and one minus their cosine.

    Args:
        image: `[excerpts, ...]`.
        reconstruction: of the same shape.
        latent: `[excerpts, latent]`.
        latent_again: of the same shape.
    """
    difference = (image - reconstruction).reshape(len(image), -1)
    drift = latent - latent_again
    product = jnp.linalg.norm(latent, axis=1) * jnp.linalg.norm(latent_again, axis=1)
    errors = {
        "G_x_2": jnp.sum(jnp.square(difference), axis=1),
        "G_x_1": jnp.sum(jnp.abs(difference), axis=1),
        "G_z_2": jnp.sum(jnp.square(drift), axis=1),
        "G_z_1": jnp.sum(jnp.abs(drift), axis=1),
        "G_z_cos": 1 - jnp.sum(latent * latent_again, axis=1) / jnp.maximum(product, 1e-8),
    }
    return {
        f"{name}_{pool}": reduce(values)
        for name, values in errors.items()
        for pool, reduce in _POOLS.items()
    }
