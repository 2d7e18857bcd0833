"""From energies of time steps to decisions and their figures."""

import dataclasses

import numpy as np

from asd_jax.series.experiment import SeriesScoringConfig


def threshold_of(training: np.ndarray, test: np.ndarray, config: SeriesScoringConfig) -> float:
    """The energy above which `anomaly_ratio` per cent of the training energies lie.

    Args:
        training: energies of the training series, `[time]`.
        test: energies of the test series, `[time]`; they count under `thuml_threshold` alone, if finite.
        config: the ratio and the option.
    """
    # Energies that are not finite are anomalies at any threshold, and would leave none.
    known = test[np.isfinite(test)]
    energies = np.concatenate([training, known]) if config.thuml_threshold else training
    return float(np.percentile(energies, 100 - config.anomaly_ratio))


def point_adjusted(decisions: np.ndarray, labels: np.ndarray, *, thuml: bool = False) -> np.ndarray:
    """Decisions `[time]` bool in which an anomaly of which one step is found counts as found whole.

    This evaluation flatters: random decisions gain most of it (Kim et al., AAAI 2022). It looks at the labels.

    Args:
        decisions: bool `[time]`.
        labels: bool `[time]`; an anomaly is a run of true ones.
        thuml: the published code's loop never reaches back to the first time step.
    """
    edges = np.flatnonzero(np.diff(labels.astype(np.int8), prepend=0, append=0))
    adjusted = decisions.copy()
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        adjusted[start:stop] = decisions[start:stop].any()
    if thuml and labels[0]:
        adjusted[0] = decisions[0]
    return adjusted


@dataclasses.dataclass(frozen=True)
class Figures:
    """How decisions on time steps agree with their labels; 0 where a ratio is undefined."""

    accuracy: float
    precision: float
    recall: float
    f1: float

    @classmethod
    def of(cls, decisions: np.ndarray, labels: np.ndarray) -> "Figures":
        """The figures of bool `[time]` each."""
        found = int(np.count_nonzero(decisions & labels))
        decided, true = int(np.count_nonzero(decisions)), int(np.count_nonzero(labels))
        return cls(
            accuracy=float(np.mean(decisions == labels)),
            precision=found / decided if decided else 0.0,
            recall=found / true if true else 0.0,
            f1=2 * found / (decided + true) if decided + true else 0.0,
        )
