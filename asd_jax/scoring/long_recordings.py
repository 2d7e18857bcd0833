"""The p-value of a recording that is judged by its worst stretch: corrected for how many stretches there are."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from asd_jax.scoring.p_values import counted_p_values, gamma_tail

# The worst stretch and the middle one are two looks at a recording; each gets half of its false alarms.
_LOOKS = 2


class LongVerdict(NamedTuple):
    """What the scores of a recording's stretches say of it.

    Attributes:
        worst: place of the stretch with the highest score.
        p_value: probability that a normal recording of so many stretches looks as bad.
        by: what it rests on: the "worst" stretch, or the "whole" of them, of which half score as high.
        lowest: the lowest p-value that the normals resolve by counting.
        is_counted: whether they were counted; else a distribution was fitted to them, and p-values below `lowest` are
            its tail's.
    """

    worst: int
    p_value: float
    by: Literal["worst", "whole"]
    lowest: float
    is_counted: bool


def judge_stretches(
    normal_scores: ArrayLike, scores: ArrayLike, false_alarm_rate: float
) -> LongVerdict:
    """Judges a recording by its worst stretch, and by its middle one: a fault may also be there all the time.

    The p-value of the worst of k stretches is that of the stretch, p, taken to 1 - (1 - p)^k (Sidak). Stretches of one
    recording resemble each other, the more so where they overlap: then it errs towards fewer false alarms.

    Args:
        normal_scores: of clips as long as a stretch, `[normals]`.
        scores: `[stretches]`, all finite.
        false_alarm_rate: the rate a recording that the decision asks for: counted normals must resolve it.
    """
    normals, found = np.asarray(normal_scores, float), np.asarray(scores, float)
    count = len(found)
    lowest = _of_recording(np.array(1 / (len(normals) + 1)), count)
    spread = len(normals) > 1 and np.ptp(normals) > 0
    is_counted = bool(lowest <= false_alarm_rate) or not spread
    of_stretch = counted_p_values if is_counted else gamma_tail
    worst, middle = int(np.argmax(found)), float(np.quantile(found, 0.5, method="lower"))
    of_worst = _of_recording(of_stretch(normals, found[worst]), count)
    of_whole = min(_LOOKS * float(of_stretch(normals, middle)), 1.0)
    by: Literal["worst", "whole"] = "worst" if of_worst <= of_whole else "whole"
    return LongVerdict(worst, min(of_worst, of_whole), by, lowest, is_counted)


def _of_recording(p_value: np.ndarray, stretches: int) -> float:
    """Of the worst of so many stretches, as one of the looks; exact for p-values far below rounding, too."""
    return min(
        _LOOKS * float(-np.expm1(stretches * np.log1p(-np.minimum(p_value, 1 - 1e-12)))), 1.0
    )
