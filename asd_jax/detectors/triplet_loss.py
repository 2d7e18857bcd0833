"""The triplet loss that the detectors of the STgram collection share."""

import jax
import jax.numpy as jnp


def triplet_loss(
    anchor: jax.Array, positive: jax.Array, negative: jax.Array, margin: float = 1.0
) -> jax.Array:
    """How much further the negative should be than the positive, `[batch]`; zero where it is by the margin.

    The distances are squared and summed over the features.

    Args:
        anchor: `[batch, features]`.
        positive: `[batch, features]`, what should lie near the anchor.
        negative: `[batch, features]`, what should lie away from it.
        margin: by how much the squared distances should differ.
    """
    near = jnp.sum(jnp.square(anchor - positive), axis=-1)
    far = jnp.sum(jnp.square(anchor - negative), axis=-1)
    return jax.nn.relu(near - far + margin)
