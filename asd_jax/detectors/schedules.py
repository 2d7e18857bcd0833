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


def hold_then_periodic_cosine(
    learning_rate: float, steps_per_epoch: int, hold_epochs: int, half_period: int, floor: float
) -> optax.Schedule:
    """Constant, then a cosine that falls to its floor and rises again, constant within each epoch.

    The closed form of PyTorch's CosineAnnealingLR, which goes on beyond `T_max` (Zhao's STgram collection).

    Args:
        learning_rate: rate during epochs 0 to `hold_epochs`, and at every crest.
        steps_per_epoch: optimiser steps an epoch.
        hold_epochs: last epoch at the full rate.
        half_period: epochs from crest to floor (`T_max`).
        floor: the lowest rate (`eta_min`).
    """

    def schedule(step: jax.Array) -> jax.Array:
        epoch = step // steps_per_epoch
        phase = jnp.maximum(epoch - hold_epochs, 0) / half_period
        return floor + (learning_rate - floor) * (1 + jnp.cos(jnp.pi * phase)) / 2

    return schedule
