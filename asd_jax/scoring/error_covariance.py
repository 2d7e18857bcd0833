"""Selective Mahalanobis distance of reconstruction errors, the DCASE baselines' since 2023 (arXiv 2303.00455)."""

from collections.abc import Sequence

import numpy as np

from asd_jax.scoring.gaussians import whitening
from asd_jax.scoring.samples import SampleScorer
from asd_jax.scoring.settings import ScorerConfig

# The moments come in float32: directions with less than this part of the largest variance hold rounding errors.
SMALLEST_VARIANCE = 1e-6


class ErrorMahalanobis(SampleScorer):
    """Mean over frames of e' C^-1 e for the errors e of a clip's reconstruction; the smaller one of the domains.

    C is the covariance of the frame errors of a domain's normal clips. Samples are `[clips, mels, mels + 3]`: the
    mean over frames of e e', then as columns the mean of e, the number of vectors that the network heard of the clip
    (in every row) and the number of frames a vector (in every row).

    `nttcslab_mean_error` and `nttcslab_covariance` reproduce the published code, which takes m' C^-1 m with the mean
    error m (its mean runs over all pairs of frames), and divides the sum over frames by the number of vectors less 1.
    One thing is left: it centres the errors on the mean of each shuffled batch, here it is the mean of all.

    `covariances` `[mels, mels]` that the published code fitted, the source's and the target's, take the place of those
    of the normals; they are of the literal kind, and are divided by the frames of a vector where that is not asked for.

    Raises:
        ValueError: from `fit` and `score_samples`, too, where samples have another shape.
    """

    def __init__(self, config: ScorerConfig, covariances: Sequence[np.ndarray] = ()):
        self._published = covariances
        self._mean_error = config.nttcslab_mean_error
        self._literal_covariance = config.nttcslab_covariance

    def _fit(self, samples: np.ndarray, domains: list[str]) -> None:
        if samples.ndim != 3 or samples.shape[2] != samples.shape[1] + 3:
            raise ValueError(
                f"error_mahalanobis compares [clips, mels, mels + 3], got {samples.shape}: "
                "set evaluation.scorer.report to a report of error moments"
            )
        if self._published:
            self._inverses = [self._inverted(covariance, samples) for covariance in self._published]
            return
        labels = np.array(domains)
        self._inverses = [self._inverse(samples[labels == domain]) for domain in sorted({*domains})]

    def _inverse(self, samples: np.ndarray) -> np.ndarray:
        second, vectors, frames = samples[:, :, :-3], samples[:, 0, -2], samples[:, 0, -1]
        weights = vectors * frames
        mean = np.average(samples[:, :, -3], axis=0, weights=weights)
        covariance = np.average(second, axis=0, weights=weights) - np.outer(mean, mean)
        if self._literal_covariance:
            covariance *= weights.sum() / max(vectors.sum() - 1, 1)
        factor = whitening(covariance, SMALLEST_VARIANCE)
        return factor @ factor.T

    def _inverted(self, covariance: np.ndarray, samples: np.ndarray) -> np.ndarray:
        mels = samples.shape[1]
        if covariance.shape != (mels, mels):
            raise ValueError(
                f"the published covariance is {list(covariance.shape)}, the detector has {mels} mel bands"
            )
        inverse = np.linalg.inv(covariance.astype(np.float64))
        return inverse if self._literal_covariance else inverse * samples[0, 0, -1]

    def _score(self, samples: np.ndarray) -> np.ndarray:
        moments = samples[:, :, :-3]
        if self._mean_error:
            moments = np.einsum("ci,cj->cij", samples[:, :, -3], samples[:, :, -3])
        flat = moments.reshape(len(moments), -1)
        return np.min([flat @ inverse.ravel() for inverse in self._inverses], axis=0)
