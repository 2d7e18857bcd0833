"""Excerpts of spectrograms: which frames they start at, and that they hold the frames they should."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from asd_jax.features.excerpts import cut_excerpts, excerpt_starts, random_starts


@pytest.mark.parametrize(
    ("frames", "length", "hop", "starts"),
    [
        (10, 4, 1, [0, 1, 2, 3, 4, 5, 6]),
        (10, 4, 3, [0, 3, 6]),
        (4, 4, 8, [0]),
        (11, 4, 3, [0, 3, 6]),
    ],
)
def test_every_whole_excerpt_at_the_hop(
    frames: int, length: int, hop: int, starts: list[int]
) -> None:
    assert excerpt_starts(frames, length, hop).tolist() == starts


def test_a_window_below_one_excerpt_names_the_cure() -> None:
    with pytest.raises(
        ValueError, match=r"window of 3 frames .* 4 frames.*detector\.clip\.samples"
    ):
        excerpt_starts(3, 4, 1)


def test_an_excerpt_holds_the_frames_behind_its_start() -> None:
    level = jnp.arange(2 * 9 * 3, dtype=jnp.float32).reshape(2, 9, 3)
    starts = jnp.array([[0, 5], [2, 3]])
    excerpts = cut_excerpts(level, starts, 4)
    assert excerpts.shape == (2, 2, 4, 3)
    for clip in range(2):
        for i, start in enumerate(starts[clip].tolist()):
            np.testing.assert_array_equal(excerpts[clip, i], level[clip, start : start + 4])


def test_drawn_excerpts_do_not_repeat_and_differ_between_clips_and_keys() -> None:
    """Each clip draws from all positions of its own, without repetition."""
    first = np.asarray(random_starts(jax.random.key(0), 8, 5, 30, 4, 2))
    again = np.asarray(random_starts(jax.random.key(0), 8, 5, 30, 4, 2))
    other = np.asarray(random_starts(jax.random.key(1), 8, 5, 30, 4, 2))
    assert first.shape == (8, 5)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert len({tuple(row) for row in first}) > 1
    assert all(len(set(row)) == 5 for row in first.tolist())
    assert set(first.ravel().tolist()) <= set(range(0, 27, 2))


@pytest.mark.parametrize("asked", [0, 100])
def test_all_excerpts_where_none_or_too_many_are_asked_for(asked: int) -> None:
    starts = np.asarray(random_starts(jax.random.key(0), 3, asked, 10, 4, 3))
    assert np.sort(starts, axis=1).tolist() == [[0, 3, 6]] * 3
