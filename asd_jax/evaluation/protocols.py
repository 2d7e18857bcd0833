"""How the checkpoint, the score and the decision threshold of an evaluation are chosen."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from tfds_dcase import ClipInfo

from asd_jax.config import EvaluationConfig, Experiment
from asd_jax.detectors.base import Detector
from asd_jax.evaluation.calibrated import calibrated_score, chosen_score, normal_reports
from asd_jax.evaluation.clip_scores import ClipScore
from asd_jax.evaluation.results import Protocol
from asd_jax.evaluation.summary import summarise
from asd_jax.evaluation.tables import result_rows
from asd_jax.evaluation.trained_model import TrainedModel, checkpoint_steps
from asd_jax.evaluation.validation import best_step, validate_checkpoints
from asd_jax.scoring.calibrated_score import CalibratedScore
from asd_jax.scoring.clip_reports import Reports
from asd_jax.scoring.settings import FittedScore

HONEST_REMARK = (
    "honest protocol: {checkpoint} checkpoint, score {score} fixed beforehand, "
    "thresholds from training normals"
)
ORACLE = Protocol(
    remark="ORACLE protocol: checkpoint, score and thresholds chosen by the labels of these test clips; "
    "compare only with numbers made in that way",
    prefix="oracle_",
)

Thresholds = dict[tuple[str, str], float]


@dataclass(frozen=True)
class Judgement:
    """What a model says of its test clips.

    Attributes:
        scores: anomaly scores `[clips]`.
        thresholds: decision threshold by machine type and section.
        reports: of the clips, `[clips, ...]` each.
        score: name of the anomaly score.
        default_score: the one that the detector takes where none is named.
        step: of the checkpoint.
        choices: lines that tell what was chosen among what, the first a header; empty where all was fixed.
    """

    scores: np.ndarray
    thresholds: Thresholds
    reports: Reports
    score: str
    default_score: str
    step: int
    choices: list[list[str]] = field(default_factory=list)


def honest(experiment: Experiment, directory: Path, test: Sequence[ClipInfo]) -> Judgement:
    """Takes the last checkpoint, or the one that held-out normals favour, and thresholds from training normals.

    Args:
        experiment: the work directory's configuration.
        directory: of the model.
        test: clips to score.

    Raises:
        FileNotFoundError: the model is not trained.
        ValueError: training did not see a machine type of the test clips, or left out no clips to validate on.
    """
    config = experiment.evaluation
    model = _opened(experiment, directory, test)
    choices: list[list[str]] = []
    if config.checkpoint == "validated":
        model, choices = _validated(model, experiment)
    score = calibrated_score(model, config, {clip.machine_type for clip in test})
    reports = model.report(test, f"{model.name}: test clips")
    thresholds = {key: score.threshold(*key, config.threshold_quantile) for key in _sections(test)}
    default = model.detector.score_names[0]
    return Judgement(
        score.score_samples(reports, test),
        thresholds,
        reports,
        config.score or default,
        default,
        int(model.state.step),
        choices,
    )


def oracle(experiment: Experiment, directory: Path, test: Sequence[ClipInfo]) -> Judgement:
    """Takes the kept checkpoint and the score with the best mean of AUC and pAUC, and thresholds with the best F1.

    Arguments and errors are those of `honest`.

    Raises:
        ValueError: the test clips have no labels of both kinds.
    """
    if {"normal", "anomaly"} - {clip.label for clip in test}:
        raise ValueError("the oracle protocol chooses by test labels, and these clips lack them")
    config, dataset = experiment.evaluation, experiment.data.dataset
    lines = [["model", "checkpoint step", "score", "mean of AUC and pAUC", "chosen"]]
    best, chosen, best_figure = None, 0, -np.inf
    last = _opened(experiment, directory, test)
    for step in checkpoint_steps(directory):
        model = last.at(step)
        reports = model.report(test, f"{model.name}: test clips, checkpoint {step}")
        for name, scores in _every_score(model, config, reports, test).items():
            figure = _figure(dataset, test, scores)
            lines.append([model.name, str(step), name, repr(figure), ""])
            if figure > best_figure:
                best, chosen, best_figure = (scores, reports), len(lines) - 1, figure
    assert best is not None  # the constructor above has found a checkpoint
    lines[chosen][-1] = "yes"
    scores, reports = best
    return Judgement(
        scores,
        _best_thresholds(test, scores, config),
        reports,
        lines[chosen][2],
        last.detector.score_names[0],
        int(lines[chosen][1]),
        lines,
    )


def best_f1_threshold(labels: ArrayLike, scores: ArrayLike) -> float:
    """The threshold, half way between two scores, above which decisions have the best F1 score.

    Args:
        labels: `[clips]`, 1 for an anomaly.
        scores: `[clips]`.
    """
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    falling = np.asarray(scores, np.float64)[order]
    hits = np.cumsum(np.asarray(labels, bool)[order])
    # A threshold cannot part equal scores.
    ends = np.flatnonzero(np.append(np.diff(falling) != 0, True))
    f1 = 2.0 * hits[ends] / (ends + 1 + hits[-1])
    last = ends[int(np.argmax(f1))]
    below = falling[last + 1] if last + 1 < len(falling) else falling[last] - 1.0
    return float((falling[last] + below) / 2)


def _opened(experiment: Experiment, directory: Path, test: Sequence[ClipInfo]) -> TrainedModel:
    """The model, with its learning curve beside it where that can be written."""
    is_writable = os.access(directory, os.W_OK)
    return TrainedModel(experiment, directory, test, draw_learning_curve=is_writable)


def _validated(last: TrainedModel, experiment: Experiment) -> tuple[TrainedModel, list[list[str]]]:
    """The model with the checkpoint that held-out training normals favour, and the figures of all."""
    validations = validate_checkpoints(last, experiment)
    chosen = best_step(validations)
    header = ["model", "checkpoint step", "machine-ID confusion AUC", "mean normal score", "chosen"]
    rows = [
        [
            last.name,
            str(found.step),
            repr(found.confusion_auc),
            repr(found.normal_score),
            "yes" if found.step == chosen else "",
        ]
        for found in validations
    ]
    return last.at(chosen), [header, *rows]


def _every_score(
    model: TrainedModel, config: EvaluationConfig, reports: Reports, test: Sequence[ClipInfo]
) -> dict[str, np.ndarray]:
    """Scores `[clips]` by name: the detector's own, those that it offers fitted, and the configured one."""
    fitted = _fitted_scores(config, model.detector)
    scores = {name: reports[name] for name in model.detector.score_names}
    if fitted:
        types = {clip.machine_type for clip in test}
        normals, known = normal_reports(model, config, types, is_fitted=True)
        for name, score in fitted.items():
            scorer = CalibratedScore(
                score, model.centers_of, covariances=model.published_covariances
            )
            scores[name] = scorer.fit(known, normals).score_samples(reports, test)
    return scores


def _fitted_scores(config: EvaluationConfig, detector: Detector) -> dict[str, FittedScore]:
    fitted = dict(detector.fitted_scores)
    score = chosen_score(config, detector)
    if isinstance(score, FittedScore) and score not in fitted.values():
        fitted[config.score] = score
    return fitted


def _figure(dataset: str, test: Sequence[ClipInfo], scores: np.ndarray) -> float:
    clips = [ClipScore.of(clip, score) for clip, score in zip(test, scores, strict=True)]
    summary = summarise(dataset, result_rows(dataset, clips))
    return (summary.mean_auc + summary.mean_pauc) / 2


def _best_thresholds(
    test: Sequence[ClipInfo], scores: np.ndarray, config: EvaluationConfig
) -> Thresholds:
    thresholds = {}
    for machine_type, section in _sections(test):
        same = [
            clip.machine_type == machine_type
            and (config.threshold_per == "machine_type" or clip.section == section)
            and clip.label != "unknown"
            for clip in test
        ]
        members = np.flatnonzero(same).tolist()
        labels = [test[i].label == "anomaly" for i in members]
        thresholds[machine_type, section] = best_f1_threshold(labels, scores[members])
    return thresholds


def _sections(clips: Sequence[ClipInfo]) -> list[tuple[str, str]]:
    return sorted({(clip.machine_type, clip.section) for clip in clips})
