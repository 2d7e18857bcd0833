"""The published learning-rate schedule, epoch by epoch."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asd_jax.detectors.schedules import hold_then_cosine, hold_then_periodic_cosine

STEPS_PER_EPOCH = 7
PUBLISHED = (1e-4, 300, 20)


def rates(learning_rate: float, epochs: int, hold_epochs: int, count: int) -> np.ndarray:
    """The rate at the first and at the last step of every epoch, `[2, count]`."""
    schedule = hold_then_cosine(learning_rate, epochs, STEPS_PER_EPOCH, hold_epochs)
    first = jnp.arange(count) * STEPS_PER_EPOCH
    return np.stack([schedule(first), schedule(first + STEPS_PER_EPOCH - 1)])


@pytest.mark.golden
@pytest.mark.parametrize(("precise", "tolerance"), [(False, 1e-6), (True, 1e-12)])
def test_schedule_equals_the_recorded_one(shared: Path, precise: bool, tolerance: float) -> None:
    """The rate used during every epoch: the published recipe and the recorded alternative."""
    paths = sorted((shared / "golden").glob("stgram*lr*.npz"))
    if not paths:
        pytest.skip(f"no recorded schedule in {shared / 'golden'}")
    for path in paths:
        recorded = dict(np.load(path, allow_pickle=False))
        published, alternative = recorded["lr_per_epoch"], recorded["lr_alt"]
        rate, epochs, hold = map(float, recorded["alt_cfg"])
        with jax.enable_x64(precise):
            ours = rates(*PUBLISHED, len(published))
            other = rates(rate, int(epochs), int(hold), len(alternative))
        np.testing.assert_allclose(ours, np.stack([published] * 2), rtol=tolerance)
        np.testing.assert_allclose(other, np.stack([alternative] * 2), rtol=tolerance)


def test_the_rate_is_constant_within_an_epoch_and_falls_between_epochs() -> None:
    first, last = rates(1e-3, 10, 2, 10)
    np.testing.assert_array_equal(first, last)
    np.testing.assert_allclose(first[:3], 1e-3, rtol=1e-6)
    assert np.all(np.diff(first[2:]) < 0)


def test_the_rate_never_falls_below_its_floor() -> None:
    first, _ = rates(1e-3, 10, 2, 13)
    assert first.min() == pytest.approx(1e-4, rel=1e-5)


def test_the_periodic_cosine_is_pytorchs_recursion() -> None:
    """CosineAnnealingLR's own recursive formula, stepped by hand through two periods and a half."""
    rate, floor, half_period = 1e-3, 5e-5, 5
    expected = [rate] * 4
    current = rate
    for step in range(1, 26):
        if (step - 1 - half_period) % (2 * half_period) == 0:
            current += (rate - floor) * (1 - np.cos(np.pi / half_period)) / 2
        else:
            turn = 1 + np.cos(np.pi * step / half_period)
            current = floor + (current - floor) * turn / (
                1 + np.cos(np.pi * (step - 1) / half_period)
            )
        expected.append(current)
    schedule = hold_then_periodic_cosine(rate, STEPS_PER_EPOCH, 3, half_period, floor)
    for part in (0, STEPS_PER_EPOCH - 1):
        ours = schedule(jnp.arange(len(expected)) * STEPS_PER_EPOCH + part)
        np.testing.assert_allclose(ours, expected, rtol=1e-5)
