"""An anomaly score together with what training normals get: the scale for thresholds and p-values."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from tfds_dcase import ClipInfo

from asd_jax.scoring.clip_reports import Reports
from asd_jax.scoring.fitted import CentersOf, GroupedScorer
from asd_jax.scoring.p_values import counted_p_values
from asd_jax.scoring.settings import FittedScore
from asd_jax.scoring.threshold import GammaThreshold

Calibration = Literal["machine_type", "section"]
"""Whose normals a clip is compared with for its threshold and p-value."""


class CalibratedScore:
    """One of a detector's scores, or a scorer on its reports, calibrated on training normals.

    Args:
        score: the name of a report, or what to fit on the reports.
        centers_of: see `GroupedScorer`.
        per: calibrate a "machine_type" (as the baselines do) or a "section"; a section without normals falls back on
            its machine type.
        covariances: see `build_scorer`.

    Attributes:
        score: see above.
        normals: the training normals.
        normal_scores: their scores `[clips]`; of a fitted score each by scorers that were fitted without the clip.
        reference: what a fitted score was fitted on, `[clips, ...]` of the normals by the report's name; else empty.
    """

    score: str | FittedScore
    normals: Sequence[ClipInfo]
    normal_scores: np.ndarray
    reference: Reports

    def __init__(
        self,
        score: str | FittedScore,
        centers_of: CentersOf | None = None,
        per: Calibration = "machine_type",
        covariances: Sequence[np.ndarray] = (),
    ):
        self.score = score
        self._centers_of = centers_of
        self._per = per
        self._covariances = covariances

    def fit(self, reports: Reports, normals: Sequence[ClipInfo]) -> "CalibratedScore":
        """Fits the score on the reports `[clips, ...]` of training normals and scores these.

        Raises:
            ValueError: see `GroupedScorer.fit`.
        """
        self._learn(reports, normals)
        if isinstance(self.score, FittedScore):
            self.normal_scores = self._scorer.cross_fitted(reports, normals)
        else:
            self.normal_scores = reports[self.score]
        return self

    def restore(
        self, reference: Reports, normals: Sequence[ClipInfo], normal_scores: np.ndarray
    ) -> "CalibratedScore":
        """As `fit`, from the attributes that a calibration kept: nothing is heard or fitted across folds again."""
        self._learn(reference, normals)
        self.normal_scores = normal_scores
        return self

    def _learn(self, reports: Reports, normals: Sequence[ClipInfo]) -> None:
        self.normals = normals
        self.reference = {}
        if isinstance(self.score, FittedScore):
            scorer = GroupedScorer(self.score, self._centers_of, self._covariances)
            self._scorer = scorer.fit(reports, normals)
            name = self.score.config.report
            self.reference = {name: reports[name]}

    def score_samples(self, reports: Reports, clips: Sequence[ClipInfo]) -> np.ndarray:
        """Anomaly scores `[clips]` of reports `[clips, ...]`; higher is more anomalous."""
        if isinstance(self.score, FittedScore):
            return self._scorer.score_samples(reports, clips)
        return reports[self.score]

    def threshold(self, machine_type: str, section: str, quantile: float) -> float:
        """Score that the given share of the group's normals stays below, by a fitted gamma distribution."""
        normal_scores = self.scores_of_group(machine_type, section)
        return GammaThreshold(quantile).fit(normal_scores).threshold_

    def p_values(self, machine_type: str, section: str, scores: ArrayLike) -> np.ndarray:
        """Probability `[clips]` that a normal clip of the group scores as high as each of `scores` `[clips]`.

        See `asd_jax.scoring.p_values.counted_p_values`.
        """
        return counted_p_values(self.scores_of_group(machine_type, section), scores)

    def scores_of_group(self, machine_type: str, section: str) -> np.ndarray:
        """Scores `[clips]` of the normals that clips of a section are compared with.

        Raises:
            ValueError: there are no normals of the machine type.
        """
        own_type = np.array([clip.machine_type == machine_type for clip in self.normals], bool)
        own_section = own_type & np.array([clip.section == section for clip in self.normals], bool)
        group = own_section if self._per == "section" and own_section.any() else own_type
        if not group.any():
            raise ValueError(f"no training normals of {machine_type} to calibrate its scores on")
        return self.normal_scores[group]
