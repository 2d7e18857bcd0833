"""Thresholds and p-values of a score, against the normals that set them."""

import numpy as np
import pytest
from tfds_dcase import ClipInfo

from asd_jax.scoring.calibrated_score import CalibratedScore
from asd_jax.scoring.settings import FittedScore, ScorerConfig


def clip(machine_type: str, section: str, number: int) -> ClipInfo:
    return ClipInfo(
        clip_id=f"{machine_type}/train/{section}_{number}.wav",
        file_name=f"{section}_{number}.wav",
        machine_type=machine_type,
        section=section,
        domain="source",
        label="normal",
        attributes="",
        split=f"dev_train_{machine_type}",
        position=number,
        sample_rate=16000,
        samples=160000,
        content_hash="",
    )


NORMALS = [clip("fan", f"id_0{i % 2}", i) for i in range(20)] + [clip("pump", "id_00", 0)]
REPORTS = {"mse": np.arange(21.0), "embedding": np.eye(21)}


def test_p_value_is_the_share_of_normals_that_score_as_high() -> None:
    """Ties count as high; with n normals no clip is rarer than one in n + 1."""
    score = CalibratedScore("mse").fit(REPORTS, NORMALS)
    assert score.p_values("fan", "id_00", [-1.0, 10.0, 10.5, 99.0]) == pytest.approx(
        [1.0, 11 / 21, 10 / 21, 1 / 21]
    )


def test_calibration_by_section_takes_the_sections_own_normals() -> None:
    score = CalibratedScore("mse", per="section").fit(REPORTS, NORMALS)
    assert score.scores_of_group("fan", "id_01").tolist() == list(range(1, 20, 2))
    assert len(score.scores_of_group("fan", "id_07")) == 20, "an unseen section"


def test_a_machine_type_without_normals_is_refused() -> None:
    score = CalibratedScore("mse").fit(REPORTS, NORMALS)
    with pytest.raises(ValueError, match="no training normals of valve"):
        score.p_values("valve", "id_00", [1.0])


def test_normals_of_a_fitted_score_are_scored_without_themselves() -> None:
    """Every embedding is equally far from all others: a clip that found itself would score 0."""
    config = ScorerConfig(metric="euclidean", group="machine_type")
    score = CalibratedScore(FittedScore("knn", config)).fit(REPORTS, NORMALS)
    assert score.normal_scores[:20] == pytest.approx(np.full(20, np.sqrt(2.0)), rel=1e-6)
    assert score.score_samples(REPORTS, NORMALS)[:20] == pytest.approx(np.zeros(20), abs=1e-3)
