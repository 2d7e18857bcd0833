"""Learning from one minibatch after the other inside a training step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asd_jax.detectors.base import Metrics, TrainState
from asd_jax.detectors.minibatches import learn_in_minibatches


def state() -> TrainState:
    return TrainState(
        jnp.zeros((), jnp.int32), jax.random.key(0), jnp.zeros(100), {}, jnp.zeros((), jnp.int32)
    )


def count(
    state: TrainState, examples: dict[str, jax.Array], key: jax.Array
) -> tuple[TrainState, Metrics]:
    """Counts how often each example came, and that its parts stay together."""
    ours = examples["number"]
    together = jnp.all(examples["twice"] == 2 * ours)
    seen = state.params.at[ours].add(1.0)
    metrics = {"loss": jnp.mean(ours), "together": together, "draw": jax.random.uniform(key)}
    return state.replace(params=seen, optimizer=state.optimizer + 1), metrics


def learn(examples: int, size: int, seed: int = 0) -> tuple[TrainState, Metrics]:
    numbers = jnp.arange(examples)
    return jax.jit(
        lambda key: learn_in_minibatches(
            state(), {"number": numbers, "twice": 2 * numbers}, size, key, count
        )
    )(jax.random.key(seed))


@pytest.mark.parametrize(
    ("examples", "size", "steps"), [(60, 20, 3), (67, 20, 3), (12, 20, 1), (12, 0, 1)]
)
def test_every_example_at_most_once_and_whole_minibatches_only(
    examples: int, size: int, steps: int
) -> None:
    """All of them where they fill the minibatches; too few, or size 0, are one minibatch."""
    after, metrics = learn(examples, size)
    assert int(after.optimizer) == steps
    assert float(after.params.sum()) == (steps * size if examples > size > 0 else examples)
    assert float(after.params.max()) == 1.0
    assert bool(metrics["together"])


def test_the_order_depends_on_the_key() -> None:
    first, again, other = (learn(67, 20, seed)[0].params for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (np.asarray(first) != np.asarray(other)).any()


def test_metrics_are_means_over_minibatches() -> None:
    _, metrics = learn(60, 20)
    assert float(metrics["loss"]) == pytest.approx(29.5)
