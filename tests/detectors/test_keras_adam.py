"""Keras's Adam against sums done by hand, and where it differs from Optax's."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from asd_jax.detectors.keras_adam import keras_adam

GRADIENTS = np.array([[1.0, 1e-6, -3e-8, 0.0], [0.5, -1e-6, -1e-8, 0.0], [-2.0, 3e-6, 5e-8, 0.0]])


def steps(transformation: optax.GradientTransformation, dtype: type) -> np.ndarray:
    params = jnp.zeros(4, dtype)
    state = transformation.init(params)
    updates = []
    for gradient in GRADIENTS:
        update, state = jax.jit(transformation.update)(jnp.asarray(gradient, dtype), state)
        updates.append(np.asarray(update))
    return np.stack(updates)


def by_hand(rate: float, b1: float, b2: float, eps: float) -> np.ndarray:
    first, second, updates = np.zeros(4), np.zeros(4), []
    for t, gradient in enumerate(GRADIENTS, start=1):
        first = b1 * first + (1 - b1) * gradient
        second = b2 * second + (1 - b2) * gradient**2
        correction = np.sqrt(1 - b2**t) / (1 - b1**t)
        updates.append(-rate * correction * first / (np.sqrt(second) + eps))
    return np.stack(updates)


@pytest.mark.parametrize("settings", [(1e-3, 0.9, 0.999, 1e-7), (1e-2, 0.5, 0.99, 1e-6)])
def test_epsilon_stands_beside_the_uncorrected_moment(
    settings: tuple[float, float, float, float],
) -> None:
    with jax.enable_x64(True):
        np.testing.assert_allclose(steps(keras_adam(*settings), np.float64), by_hand(*settings))
    single = steps(keras_adam(*settings), np.float32)
    np.testing.assert_allclose(single, by_hand(*settings), rtol=1e-4)


def test_it_is_not_optax_adam() -> None:
    """Gradients near epsilon take far smaller first steps: that is what the published training did."""
    ours, theirs = (steps(make(1e-3, eps=1e-7), np.float32) for make in (keras_adam, optax.adam))
    np.testing.assert_allclose(ours[:, 0], theirs[:, 0], rtol=1e-4)
    assert abs(ours[0, 1]) < 0.3 * abs(theirs[0, 1])


def test_the_rate_may_follow_a_schedule() -> None:
    """The schedule is asked for the steps taken before, as Optax asks it."""
    constant = steps(keras_adam(1.0), np.float32)
    scheduled = steps(keras_adam(lambda step: 0.1 * (step + 1)), np.float32)
    np.testing.assert_allclose(scheduled, constant * [[0.1], [0.2], [0.3]], rtol=1e-5)
