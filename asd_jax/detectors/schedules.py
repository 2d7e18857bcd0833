"""Learning-rate schedules of the published systems, as functions of the optimiser's step."""

import jax
import jax.numpy as jnp
import optax


def hold_then_cosine(
    learning_rate: float, epochs: int, steps_per_epoch: int, hold_epochs: int, floor: float = 0.1
) -> optax.Schedule:
    """STgram-MFN's schedule: constant, then a cosine that is constant within each epoch.

    The cosine's period is the whole training, although it starts `hold_epochs` late: training ends before the floor.

    Args:
        learning_rate: rate during epochs 0 to `hold_epochs`.
        epochs: epochs of the training; half the cosine's period.
        steps_per_epoch: optimiser steps an epoch.
        hold_epochs: last epoch at the full rate.
        floor: part of the rate that the cosine would reach.
    """

    def schedule(step: jax.Array) -> jax.Array:
        epoch = step // steps_per_epoch
        phase = jnp.maximum(epoch - hold_epochs, 0) / epochs
        cosine = (1 + jnp.cos(jnp.pi * phase)) / 2
        return learning_rate * (floor + (1 - floor) * cosine)

    return schedule
