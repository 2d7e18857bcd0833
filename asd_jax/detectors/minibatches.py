"""Several optimiser steps on one batch of clips, for detectors that learn from many short excerpts of a clip."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from asd_jax.detectors.base import Metrics, TrainState

LearnStep = Callable[[TrainState, Any, jax.Array], tuple[TrainState, Metrics]]
"""State, examples `[size, ...]` and a random key to the next state and metrics."""


def learn_in_minibatches(
    state: TrainState, examples: Any, size: int, key: jax.Array, learn: LearnStep
) -> tuple[TrainState, Metrics]:
    """Shuffles the examples and learns from one minibatch of them after the other.

    Args:
        state: before the first minibatch.
        examples: a tree of arrays `[examples, ...]`.
        size: examples a minibatch, at most all; what does not fill the last one is left out. 0: all in one.
        key: of the order, and of what `learn` draws.
        learn: one optimiser step.

    Returns:
        The state after the last minibatch and the mean of every metric; `state.step` is left to the caller.
    """
    count = jax.tree.leaves(examples)[0].shape[0]
    size = min(size or count, count)
    order_key, learn_key = jax.random.split(key)
    if size == count:
        return learn(state, examples, learn_key)
    steps = count // size
    order = jax.random.permutation(order_key, count)[: steps * size].reshape(steps, size)

    def step(state: TrainState, turn: tuple[jax.Array, jax.Array]) -> tuple[TrainState, Metrics]:
        chosen, key = turn
        return learn(state, jax.tree.map(lambda x: x[chosen], examples), key)

    keys = jax.random.split(learn_key, steps)
    state, metrics = jax.lax.scan(step, state, (order, keys))
    return state, jax.tree.map(lambda values: jnp.mean(values, axis=0), metrics)
