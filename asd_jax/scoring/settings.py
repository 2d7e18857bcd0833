"""Settings of the scorers: plain data that detectors and experiments share."""

import dataclasses
from typing import Literal, NamedTuple

from asd_jax.ranges import Count, CountOrNone, NonNegative

ScorerKind = Literal["knn", "lof", "mahalanobis", "cosine", "gmm", "error_mahalanobis"]
"""The family; `asd_jax/scoring/scorers.py` has a class for each."""

ReferenceGroup = Literal["section", "machine_type", "all"]


@dataclasses.dataclass(frozen=True)
class ScorerConfig:
    """How a scorer compares a clip with the training normals. Each kind reads the keys that concern it.

    Attributes:
        report: the detector's report that is compared.
        group: a clip is compared with normals of its "section", its "machine_type", or with "all".
        metric: distance of knn and lof: "cosine" or "euclidean".
        neighbours: nearest normals that knn sums over, or that lof looks at.
        density_neighbours: knn divides each distance by the mean distance of that normal to so many neighbours of its
            own, which evens out dense and sparse domains (Wilkinghoff et al. 2025); 0 for none.
        selective: mahalanobis keeps one distribution a domain and takes the smaller distance (baseline of 2023).
        components: Gaussians of gmm.
        variance_floor: gmm adds this part of the features' mean variance to every variance.
        nttcslab_mean_error: error_mahalanobis takes the distance of the mean error, as the published baseline does,
            instead of the mean distance of the errors.
        nttcslab_covariance: error_mahalanobis divides the sum over frames by the number of stacked vectors less one, as
            the published baseline does, instead of by the number of frames.
    """

    report: str = "embedding"
    group: ReferenceGroup = "section"
    metric: Literal["cosine", "euclidean"] = "cosine"
    neighbours: Count = 1
    density_neighbours: CountOrNone = 0
    selective: bool = False
    components: Count = 2
    variance_floor: NonNegative = 1e-3
    nttcslab_mean_error: bool = False
    nttcslab_covariance: bool = False


class FittedScore(NamedTuple):
    """A score that a detector offers by name."""

    kind: ScorerKind
    config: ScorerConfig
