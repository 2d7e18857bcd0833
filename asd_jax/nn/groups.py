"""A batch a few examples at a time, so that what is computed of them stays in a processor's cache."""

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import jax
import jax.numpy as jnp
from jax import lax

# Rows of a matrix product whose operands stay in the cache.
_ROWS = 2048

Found = TypeVar("Found")


def images_a_product(positions: Sequence[int]) -> int:
    """How many images of so many positions each way make a matrix product of a good height."""
    return max(_ROWS // math.prod(positions), 1)


def in_groups(examples: jax.Array, most: int) -> jax.Array:
    """`[batch, ...]` to `[groups, group, ...]`, at most so many examples a group; zeros fill the last one."""
    batch = len(examples)
    sizes = range(min(most, batch), min(most, batch) // 2, -1)
    group = min(sizes, key=lambda size: -batch % size)
    padded = jnp.pad(examples, [(0, -batch % group)] + [(0, 0)] * (examples.ndim - 1))
    return padded.reshape(-1, group, *examples.shape[1:])


def few_at_a_time(function: Callable[[jax.Array], Found], examples: jax.Array, most: int) -> Found:
    """What the function finds of a batch, computed of at most so many examples at once.

    Args:
        function: from `[group, ...]` to arrays whose first axis is the examples.
        examples: `[batch, ...]`.
        most: examples a group, 1 or more.
    """
    if len(examples) <= most:
        return function(examples)
    found = lax.map(function, in_groups(examples, most))
    return jax.tree.map(
        lambda grouped: grouped.reshape(-1, *grouped.shape[2:])[: len(examples)], found
    )
