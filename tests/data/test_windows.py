"""Clips of any length become windows of one length."""

import numpy as np
import pytest

from asd_jax.data.windows import WindowPolicy


def every(hop: int = 0) -> WindowPolicy:
    return WindowPolicy(samples=100, evaluation="all", hop=hop)


@pytest.mark.parametrize("hop", [0, 30, 50, 100])
@pytest.mark.parametrize("clip", [100, 101, 150, 199, 200, 250, 1000])
def test_windows_cover_the_clip(hop: int, clip: int) -> None:
    """Every sample is heard, every window lies within the clip, the last one ends with it, none comes twice."""
    starts = every(hop).starts(clip)
    heard = np.zeros(clip, bool)
    for start in starts:
        assert start + 100 <= clip
        heard[start : start + 100] = True
    assert heard.all()
    assert starts[-1] == clip - 100
    assert len(set(starts)) == len(starts)
    assert starts == sorted(starts)


def test_the_rest_of_a_clip_gets_a_last_window() -> None:
    assert every().starts(200) == [0, 100]
    assert every().starts(250) == [0, 100, 150]
    assert every(hop=60).starts(220) == [0, 60, 120]


def test_a_clip_of_one_window_or_less_is_heard_once() -> None:
    for clip in (1, 99, 100):
        assert every(hop=10).starts(clip) == [0]


def test_head_hears_the_start_alone() -> None:
    policy = WindowPolicy(samples=100, training="head", evaluation="head")
    assert policy.starts(1000) == [0]
    assert policy.random_start(1000, np.random.default_rng(0)) == 0


def test_random_starts_reach_the_whole_clip_and_nothing_beyond() -> None:
    policy = WindowPolicy(samples=100, training="random")
    rng = np.random.default_rng(0)
    assert {policy.random_start(103, rng) for _ in range(200)} == {0, 1, 2, 3}
    assert {policy.random_start(60, rng) for _ in range(20)} == {0}


def test_cut_is_the_window_that_starts_there() -> None:
    waveform = np.arange(300, dtype=np.int16)
    np.testing.assert_array_equal(WindowPolicy(samples=100).cut(waveform, 150), waveform[150:250])


@pytest.mark.parametrize(
    ("short", "expected"),
    [
        ("repeat", [1, 2, 3, 1, 2, 3, 1, 2]),
        ("mirror", [1, 2, 3, 3, 2, 1, 1, 2]),
        ("zeros", [1, 2, 3, 0, 0, 0, 0, 0]),
    ],
)
def test_short_clips_are_filled_up(short: str, expected: list[int]) -> None:
    """Also clips shorter than half a window, over and over."""
    policy = WindowPolicy(samples=8, short=short)  # type: ignore[arg-type]
    window = policy.cut(np.array([1, 2, 3], np.int16), 0)
    assert window.dtype == np.int16
    np.testing.assert_array_equal(window, expected)


@pytest.mark.parametrize("short", ["repeat", "mirror", "zeros"])
def test_a_clip_of_one_sample_is_filled_up(short: str) -> None:
    policy = WindowPolicy(samples=1000, short=short)  # type: ignore[arg-type]
    window = policy.cut(np.array([7], np.int16), 0)
    assert window.shape == (1000,)
    assert window[0] == 7
    assert set(window[1:]) == ({0} if short == "zeros" else {7})
