"""Long recordings fall into stretches that are heard as training clips are."""

import numpy as np
import pytest

from asd_jax.data.windows import WindowPolicy
from asd_jax.inference.stretches import is_long, stretches_of


def test_a_recording_is_long_beyond_twice_a_training_clip() -> None:
    assert [is_long(samples, 10) for samples in (9, 10, 20, 21, 600)] == [False] * 3 + [True] * 2


@pytest.mark.parametrize(
    ("policy", "clip", "length"),
    [
        (WindowPolicy(100, evaluation="head"), 100, 100),
        (WindowPolicy(40, evaluation="head"), 100, 40),
        (WindowPolicy(160, evaluation="head"), 100, 100),
        (WindowPolicy(20, evaluation="all"), 100, 100),
        (WindowPolicy(20, evaluation="all", hop=7), 100, 100),
        (WindowPolicy(30, evaluation="all"), 100, 100),
        (WindowPolicy(64, evaluation="all", hop=3), 101, 101),
        (WindowPolicy(500, evaluation="all"), 100, 100),
        (WindowPolicy(1, evaluation="all"), 1, 1),
    ],
    ids=str,
)
@pytest.mark.parametrize("samples", [203, 1000, 1017])
def test_stretches_overlap_by_half_or_more_and_reach_the_end(
    policy: WindowPolicy, clip: int, length: int, samples: int
) -> None:
    """Each one's windows are those of a training clip, and windows that stretches share are heard once."""
    found = stretches_of(samples, clip, policy)
    assert found.samples == length
    assert found.starts[0] == 0
    assert found.starts[-1] == samples - length
    steps = np.diff(found.starts)
    assert ((steps > 0) & (steps <= max(length // 2, 1))).all()
    assert len(found.starts) <= 4 * samples / length
    assert found.window_starts == sorted(set(found.window_starts))
    windows = np.array(found.window_starts)
    for start, rows in zip(found.starts, found.rows, strict=True):
        assert (windows[rows] - start).tolist() == policy.starts(length)
    pooled = found.pooled(windows[:, np.newaxis], "max")
    last = policy.starts(length)[-1]
    assert pooled[:, 0].tolist() == [start + last for start in found.starts]


def test_the_windows_of_stretches_are_few_where_they_can_be_shared() -> None:
    """Ten minutes of two-second windows: 300, not 119 times 5."""
    policy = WindowPolicy(32000, evaluation="all")
    assert len(stretches_of(600 * 16000, 160_000, policy).window_starts) == 300
