"""Adam as Keras steps it, for trainings whose published rates were tuned with it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax


class KerasAdamState(NamedTuple):
    """Steps taken, int32 scalar, and both moments (named as Optax does), shaped like the parameters."""

    steps: jax.Array
    mu: optax.Updates
    nu: optax.Updates


def keras_adam(
    learning_rate: optax.ScalarOrSchedule = 1e-3,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-7,
) -> optax.GradientTransformation:
    """Adam whose epsilon stands beside the uncorrected second moment (Kingma and Ba 2015, end of section 2).

    A step is rate * sqrt(1 - b2^t) / (1 - b1^t) * mu / (sqrt(nu) + eps): in the first steps epsilon weighs up to
    1 / sqrt(1 - b2) times more than in `optax.adam`.

    Args:
        learning_rate: a constant, or a schedule of the steps taken before.
        b1: decay of the first moment.
        b2: decay of the second moment.
        eps: keeps the quotient finite; Keras's default.
    """

    def init(params: optax.Params) -> KerasAdamState:
        zeros = jax.tree.map(jnp.zeros_like, params)
        return KerasAdamState(jnp.zeros((), jnp.int32), zeros, jax.tree.map(jnp.zeros_like, params))

    def update(
        updates: optax.Updates, state: KerasAdamState, params: optax.Params | None = None
    ) -> tuple[optax.Updates, KerasAdamState]:
        del params
        steps = optax.safe_increment(state.steps)
        rate = learning_rate(state.steps) if callable(learning_rate) else learning_rate
        mu = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.mu, updates)
        nu = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * jnp.square(g), state.nu, updates)

        def step(m: jax.Array, v: jax.Array) -> jax.Array:
            # In the precision of the moments: powers of a Python float would be float32 even under float64 moments.
            t = steps.astype(m.dtype)
            correction = jnp.sqrt(1 - b2**t) / (1 - b1**t)
            return (-rate * correction * m / (jnp.sqrt(v) + eps)).astype(m.dtype)

        return jax.tree.map(step, mu, nu), KerasAdamState(steps, mu, nu)

    return optax.GradientTransformation(init, update)
