"""The family of scorers, by name."""

from collections.abc import Callable, Sequence
from typing import Protocol, Self

import numpy as np
from numpy.typing import ArrayLike

from asd_jax.scoring.error_covariance import ErrorMahalanobis
from asd_jax.scoring.gaussians import GMM, Mahalanobis
from asd_jax.scoring.neighbours import KNN, LOF, CosineToMean
from asd_jax.scoring.settings import ScorerConfig, ScorerKind


class Scorer(Protocol):
    """What the evaluation asks of a scorer."""

    def fit(self, samples: ArrayLike, domains: Sequence[str] | None = None) -> Self:
        """Learns from the reports `[clips, ...]` of normal clips, of which the domains may be known."""

    def score_samples(self, samples: ArrayLike) -> np.ndarray:
        """Anomaly scores `[clips]`, float64, higher for more anomalous clips, of reports `[clips, ...]`."""


_BUILDERS: dict[
    ScorerKind, Callable[[ScorerConfig, np.ndarray | None, Sequence[np.ndarray]], Scorer]
] = {
    "knn": lambda config, _, __: KNN(config),
    "lof": lambda config, _, __: LOF(config),
    "mahalanobis": lambda config, _, __: Mahalanobis(config),
    "cosine": lambda config, _, __: CosineToMean(),
    "gmm": lambda config, centers, _: GMM(config, centers),
    "error_mahalanobis": lambda config, _, covariances: ErrorMahalanobis(config, covariances),
}


def build_scorer(
    kind: ScorerKind,
    config: ScorerConfig,
    centers: np.ndarray | None = None,
    covariances: Sequence[np.ndarray] = (),
) -> Scorer:
    """A scorer that is yet to be fitted.

    Args:
        kind: one of the family.
        config: its settings.
        centers: directions `[centres, features]` at which a class head sees its sub-centres, for gmm to start from.
        covariances: that came with published weights, for error_mahalanobis to take instead of fitting.

    Raises:
        ValueError: an unknown kind, or settings that it cannot work with.
    """
    if kind not in _BUILDERS:
        raise ValueError(f"no scorer {kind}: there are {', '.join(_BUILDERS)}")
    return _BUILDERS[kind](config, centers, covariances)
