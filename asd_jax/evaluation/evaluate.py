"""From a trained work directory to the year's official result table."""

import typing
from collections import defaultdict
from collections.abc import Sequence, Set
from pathlib import Path

import jax
import numpy as np
from tfds_dcase import ClipInfo

from asd_jax.config import EvaluationConfig, Experiment
from asd_jax.data.clips import STAGE_OF_MODE, all_clips, select_clips
from asd_jax.detectors.base import Detector
from asd_jax.evaluation.clip_scores import ClipScore
from asd_jax.evaluation.results import Results, write_results
from asd_jax.evaluation.trained_model import TrainedModel
from asd_jax.scoring.calibrated_score import CalibratedScore
from asd_jax.scoring.clip_reports import LOUDNESS, Reports
from asd_jax.scoring.settings import FittedScore, ScorerKind
from asd_jax.training.experiment import model_groups

Thresholds = dict[tuple[str, str], float]


def evaluate(experiment: Experiment, workdir: Path) -> Results | None:
    """Scores the mode's test clips with the last checkpoint of every model and writes all results.

    The protocol is honest: the checkpoint and the score are fixed beforehand, and the decision threshold is fitted on
    training normals.

    Args:
        experiment: the work directory's configuration; data.mode and data.machine_types may differ from training.
        workdir: of a finished training; gets `results/<mode>` and the models' `learning_curve.png`.

    Returns:
        What was found; None on every process but the first, which alone writes.

    Raises:
        FileNotFoundError: a model is not trained.
        ValueError: there are no test clips, or a model was not trained on their machine type.
    """
    data = experiment.data
    clips = all_clips(data.dataset, data.data_dir)
    test = select_clips(clips, [STAGE_OF_MODE[data.mode]], "test", data.machine_types)
    scores: list[ClipScore] = []
    loudness: list[float] = []
    thresholds: Thresholds = {}
    for name, group in model_groups(experiment, test).items():
        model = TrainedModel(experiment, workdir / "models" / name, group)
        reports, values, fitted = _score(model, group, experiment.evaluation)
        thresholds |= fitted
        scores += _clip_scores(group, values, thresholds)
        loudness += reports[LOUDNESS].tolist()
    if jax.process_index() > 0:
        return None
    extra_columns = {"RMS AUC": loudness} if experiment.evaluation.loudness else None
    return write_results(
        workdir / "results" / data.mode, data.dataset, scores, thresholds, extra_columns
    )


def _score(
    model: TrainedModel, test: Sequence[ClipInfo], config: EvaluationConfig
) -> tuple[Reports, np.ndarray, Thresholds]:
    """Reports and anomaly scores of the test clips, and the thresholds that training normals set."""
    score = calibrated_score(model, config, {clip.machine_type for clip in test})
    reports = model.report(test, f"{model.name}: test clips")
    sections = sorted({(clip.machine_type, clip.section) for clip in test})
    thresholds = {key: score.threshold(*key, config.threshold_quantile) for key in sections}
    return reports, score.score_samples(reports, test), thresholds


def calibrated_score(
    model: TrainedModel, config: EvaluationConfig, machine_types: Set[str]
) -> CalibratedScore:
    """The score that the configuration chooses, calibrated on training normals of these machine types.

    Raises:
        ValueError: the detector has no such score.
    """
    score = _chosen_score(config, model.detector)
    is_fitted = isinstance(score, FittedScore)
    normals = _spread(
        [clip for clip in model.training if clip.machine_type in machine_types],
        config.reference_clips if is_fitted else config.threshold_clips,
    )
    purpose = "reference and threshold" if is_fitted else "threshold"
    reports = model.report(normals, f"training normals, for the {purpose}")
    return CalibratedScore(score, model.centers_of, config.threshold_per).fit(reports, normals)


def _chosen_score(config: EvaluationConfig, detector: Detector) -> str | FittedScore:
    """A report of the detector, or what to fit on its reports."""
    name = config.score or detector.score_names[0]
    if name in detector.score_names:
        return name
    if name in detector.fitted_scores:
        return detector.fitted_scores[name]
    family = typing.get_args(ScorerKind)
    if name not in family:
        own = ", ".join([*detector.score_names, *detector.fitted_scores])
        raise ValueError(
            f"evaluation.score {name}: this detector has {own}; scorers for any detector are {', '.join(family)}"
        )
    return FittedScore(typing.cast(ScorerKind, name), config.scorer)


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


def _clip_scores(
    clips: Sequence[ClipInfo], scores: np.ndarray, thresholds: Thresholds
) -> list[ClipScore]:
    return [
        ClipScore(
            machine_type=clip.machine_type,
            section=clip.section,
            domain=clip.domain,
            file_name=clip.file_name,
            score=float(score),
            decision=int(score > thresholds[clip.machine_type, clip.section]),
            label=clip.label,
        )
        for clip, score in zip(clips, scores, strict=True)
    ]
