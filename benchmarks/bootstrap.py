"""Bootstrap of a year's result table, all resamples at once against one at a time: python -m benchmarks.bootstrap"""

import numpy as np
from sklearn.metrics import roc_auc_score

from asd_jax.evaluation.clip_scores import ClipScore
from asd_jax.evaluation.intervals import bootstrap_intervals
from asd_jax.evaluation.metrics import MAX_FPR
from benchmarks.timing import print_rates, take_turns

_RESAMPLES = 200
_PER_CLASS = 50


def main() -> None:
    """DCASE 2022's development table: 7 machine types of 3 sections, 200 clips each."""
    rng = np.random.default_rng(0)
    clips = [
        ClipScore(
            machine_type,
            f"section_{section:02d}",
            domain,
            f"{label}_{i}.wav",
            float(rng.normal() + (label == "anomaly")),
            None,
            label,
        )
        for machine_type in "abcdefg"
        for section in range(3)
        for domain in ("source", "target")
        for label in ("normal", "anomaly")
        for i in range(_PER_CLASS)
    ]
    contestants = {
        "asd_jax": lambda: bootstrap_intervals("dcase2022", clips, _RESAMPLES),
        "scikit-learn, one resample at a time": lambda: _one_at_a_time(clips, rng),
    }
    seconds = take_turns(contestants, rounds=3)
    print_rates("bootstrap of a year's table", "resamples/s", _RESAMPLES, seconds)


def _one_at_a_time(clips: list[ClipScore], rng: np.random.Generator) -> None:
    """The areas that the official score is made of; ours compute AUC over all as well."""
    size = 4 * _PER_CLASS
    tables = [clips[first : first + size] for first in range(0, len(clips), size)]
    scores = [np.array([clip.score for clip in table]) for table in tables]
    # Source normals, source anomalies, target normals, target anomalies.
    labels = np.tile(np.repeat([0, 1], _PER_CLASS), 2)
    strata = np.arange(size).reshape(4, _PER_CLASS)
    for _ in range(_RESAMPLES):
        for own in scores:
            drawn = np.concatenate([rng.choice(stratum, _PER_CLASS) for stratum in strata])
            for domain in (0, 2):
                compared = (drawn // _PER_CLASS == domain) | (labels[drawn] == 1)
                roc_auc_score(labels[drawn][compared], own[drawn][compared])
            roc_auc_score(labels[drawn], own[drawn], max_fpr=MAX_FPR)


if __name__ == "__main__":
    main()
