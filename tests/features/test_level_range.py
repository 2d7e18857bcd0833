"""The range of levels over all training clips, and levels scaled by it."""

import jax.numpy as jnp
import numpy as np

from asd_jax.features.level_range import scaled_by_range, unseen_range, widened_range


def test_the_range_is_that_of_all_clips_in_any_order() -> None:
    clips = [jnp.array([[-50.0, -20.0]]), jnp.array([[-60.0, -30.0]]), jnp.array([[-40.0, 10.0]])]
    for order in (clips, clips[::-1]):
        known = unseen_range()
        for level in order:
            known = widened_range(known, level)
        assert (float(known["minimum"]), float(known["maximum"])) == (-60, 10)
        np.testing.assert_allclose(scaled_by_range(known, jnp.array([-60.0, -25, 10])), [-1, 0, 1])


def test_clips_of_one_level_stay_finite() -> None:
    """Digital silence alone: all levels are equal, and the range would be zero."""
    silence = jnp.full((1, 2), -80.0)
    known = widened_range(unseen_range(), silence)
    assert np.all(np.isfinite(scaled_by_range(known, silence)))
