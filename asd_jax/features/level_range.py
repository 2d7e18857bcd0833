"""The range of levels that training clips have shown, and levels scaled by it."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from asd_jax.features.logmel import scale_to_range

# Digital silence alone has no range; this many dB keep its scaled level finite.
_SMALLEST_RANGE = 1e-3


def unseen_range() -> dict[str, jax.Array]:
    """`minimum` and `maximum` before any clip."""
    return {"minimum": jnp.float32(jnp.inf), "maximum": jnp.float32(-jnp.inf)}


def widened_range(known: Mapping[str, jax.Array], level: jax.Array) -> dict[str, jax.Array]:
    """The range with these levels, in dB, in it as well."""
    return {
        "minimum": jnp.minimum(known["minimum"], jnp.min(level)),
        "maximum": jnp.maximum(known["maximum"], jnp.max(level)),
    }


def scaled_by_range(known: Mapping[str, jax.Array], level: jax.Array) -> jax.Array:
    """Levels in dB with the range at [-1, 1]."""
    minimum = known["minimum"]
    return scale_to_range(level, minimum, jnp.maximum(known["maximum"], minimum + _SMALLEST_RANGE))
