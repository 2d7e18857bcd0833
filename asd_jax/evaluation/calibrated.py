"""The anomaly score that an experiment chooses, on the reports of its trained model."""

from collections import defaultdict
from collections.abc import Sequence, Set

import numpy as np
from tfds_dcase import ClipInfo

from asd_jax.config import EvaluationConfig
from asd_jax.evaluation.trained_model import TrainedModel
from asd_jax.scoring.calibrated_score import CalibratedScore
from asd_jax.scoring.choice import chosen_score
from asd_jax.scoring.clip_reports import Reports
from asd_jax.scoring.settings import FittedScore


def calibrated_score(
    model: TrainedModel, config: EvaluationConfig, machine_types: Set[str]
) -> CalibratedScore:
    """The score that the configuration chooses, calibrated on training normals of these machine types.

    Raises:
        ValueError: the detector has no such score.
    """
    score = chosen_score(config, model.detector)
    normals, reports = normal_reports(
        model, config, machine_types, is_fitted=isinstance(score, FittedScore)
    )
    calibrated = CalibratedScore(
        score, model.centers_of, config.threshold_per, model.published_covariances
    )
    return calibrated.fit(reports, normals)


def normal_reports(
    model: TrainedModel, config: EvaluationConfig, machine_types: Set[str], is_fitted: bool
) -> tuple[list[ClipInfo], Reports]:
    """Training normals of these machine types, at most as many a section as configured, and their reports."""
    normals = _spread(
        [clip for clip in model.training if clip.machine_type in machine_types],
        config.reference_clips if is_fitted else config.threshold_clips,
    )
    purpose = "reference and threshold" if is_fitted else "threshold"
    return normals, model.report(normals, f"training normals, for the {purpose}")


def _spread(clips: Sequence[ClipInfo], per_section: int) -> list[ClipInfo]:
    """At most so many clips a section, evenly picked over its clips; 0 keeps all."""
    sections: dict[tuple[str, str], list[ClipInfo]] = defaultdict(list)
    for clip in clips:
        sections[clip.machine_type, clip.section].append(clip)
    kept = []
    for group in sections.values():
        count = min(per_section, len(group)) if per_section else len(group)
        kept += [group[i] for i in np.linspace(0, len(group) - 1, count).round().astype(int)]
    return kept
