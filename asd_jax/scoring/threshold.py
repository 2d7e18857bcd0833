"""Decision threshold fitted on the anomaly scores of normal training clips."""

import numpy as np
from absl import logging
from numpy.typing import ArrayLike, NDArray
from scipy import stats

MIN_FIT_SCORES = 5


class GammaThreshold:
    """Quantile of a gamma distribution fitted to the scores of normal clips.

    Shape, location and scale are all free, as in the DCASE Challenge Task 2 baselines since 2021.
    SciPy's optimiser can stop far from the maximum without saying so (on scores of real systems,
    where three quarters of the normal clips came to lie above the threshold). So a fit counts
    only if about the right share of the scores exceeds its quantile; else the fit is repeated on
    standardised scores, and at last the empirical quantile takes its place with a warning.

    Args:
        quantile: share of normal clips that should stay below the threshold, in (0, 1).
        dcase_baseline: take the first fit unchecked, as the published baselines do.

    Attributes:
        threshold_: the fitted threshold, in units of the scores.
    """

    threshold_: float

    def __init__(self, quantile: float = 0.9, dcase_baseline: bool = False) -> None:
        if not 0.0 < quantile < 1.0:
            raise ValueError(f"quantile must lie between 0 and 1, got {quantile}")
        self.quantile = quantile
        self.dcase_baseline = dcase_baseline

    def fit(self, scores: ArrayLike) -> "GammaThreshold":
        """Fits the threshold to anomaly scores `[clips]` of normal clips.

        Raises:
            ValueError: no scores, not one-dimensional, or a score that is not finite.
        """
        values = _finite_vector(scores)
        self.threshold_ = self._gamma_quantile(values)
        return self

    def predict(self, scores: ArrayLike) -> NDArray[np.int64]:
        """Decisions `[clips]` for anomaly scores `[clips]`: 1 (anomaly) above the threshold."""
        return (np.asarray(scores, dtype=np.float64) > self.threshold_).astype(np.int64)

    def _gamma_quantile(self, values: NDArray[np.float64]) -> float:
        if len(values) < MIN_FIT_SCORES:
            return self._empirical_quantile(values, f"needs {MIN_FIT_SCORES} scores or more")
        if np.ptp(values) == 0.0:
            return self._empirical_quantile(values, "all scores are equal")
        threshold = self._fitted_quantile(values)
        if self._is_plausible(threshold, values):
            return threshold
        centre, spread = float(values.mean()), float(values.std())
        threshold = centre + spread * self._fitted_quantile((values - centre) / spread)
        if self._is_plausible(threshold, values):
            return threshold
        return self._empirical_quantile(values, "no gamma distribution fits them")

    def _fitted_quantile(self, values: NDArray[np.float64]) -> float:
        try:
            with np.errstate(all="ignore"):
                return float(stats.gamma.ppf(self.quantile, *stats.gamma.fit(values)))
        except (stats.FitError, ValueError, ArithmeticError) as error:
            logging.warning("Gamma fit on %d normal scores failed: %s", len(values), error)
            return float("nan")

    def _is_plausible(self, threshold: float, values: NDArray[np.float64]) -> bool:
        if self.dcase_baseline:
            return bool(np.isfinite(threshold))
        expected = 1.0 - self.quantile
        # Half of the expected share, or three standard errors of it where the scores are few.
        error = np.sqrt(expected * self.quantile / len(values))
        tolerance = max(expected / 2.0, 3.0 * float(error))
        return bool(abs(np.mean(values > threshold) - expected) <= tolerance)

    def _empirical_quantile(self, values: NDArray[np.float64], reason: str) -> float:
        threshold = float(np.quantile(values, self.quantile))
        logging.warning(
            "Gamma threshold on %d normal scores: %s; using their empirical %g quantile, %g.",
            len(values),
            reason,
            self.quantile,
            threshold,
        )
        return threshold


def _finite_vector(scores: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(
            f"The threshold is fitted on a vector of normal scores, got shape {values.shape}; "
            "score at least one normal training clip"
        )
    finite = np.isfinite(values)
    if not finite.all():
        first = int(np.argmin(finite))
        raise ValueError(
            f"{np.count_nonzero(~finite)} of {len(values)} normal scores are not finite (first: "
            f"number {first}, {values[first]}); check the training clips and the checkpoint"
        )
    return values
