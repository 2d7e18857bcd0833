"""All that a report tells, found by hearing the test clips and the training normals once."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tfds_dcase import ClipInfo

from asd_jax.config import Experiment
from asd_jax.data.clips import STAGE_OF_MODE, all_clips, select_clips
from asd_jax.evaluation.calibrated import calibrated_score
from asd_jax.evaluation.clip_scores import ClipScore
from asd_jax.evaluation.trained_model import TrainedModel
from asd_jax.evaluation.validation import best_step, validate_checkpoints
from asd_jax.report.heard_model import Heard, HeardModel
from asd_jax.scoring.clip_reports import LOUDNESS
from asd_jax.scoring.settings import FittedScore
from asd_jax.training.experiment import model_groups

Thresholds = Mapping[tuple[str, str], float]
"""Decision threshold by machine type and section."""


@dataclasses.dataclass(frozen=True)
class ModelFindings:
    """What one model says of its test clips.

    Attributes:
        model: the model.
        normals: the training normals that calibrate its score.
        tests: the test clips.
        scores: what the official files hold of them, `[clips]`.
        p_values: probability that a normal clip scores as high, `[clips]`.
    """

    model: HeardModel
    normals: Heard
    tests: Heard
    scores: tuple[ClipScore, ...]
    p_values: np.ndarray


@dataclasses.dataclass(frozen=True)
class Findings:
    """What a run's models say of all test clips.

    Attributes:
        experiment: the configuration.
        score: name of the anomaly score.
        is_fitted: whether the score is of a scorer that was fitted on the training normals.
        models: of every model.
        thresholds: decision thresholds.
    """

    experiment: Experiment
    score: str
    is_fitted: bool
    models: tuple[ModelFindings, ...]
    thresholds: Thresholds

    @property
    def scores(self) -> list[ClipScore]:
        """Of all test clips."""
        return [score for model in self.models for score in model.scores]

    @property
    def loudness(self) -> list[float]:
        """Mean power of all test clips in dB of full scale."""
        return [float(v) for model in self.models for v in model.tests.reports[LOUDNESS]]

    @property
    def machine_types(self) -> list[str]:
        """Of the test clips, sorted."""
        return sorted({score.machine_type for score in self.scores})

    @property
    def has_labels(self) -> bool:
        """Whether any test clip is labelled."""
        return any(score.label != "unknown" for score in self.scores)


def find(experiment: Experiment, workdir: Path) -> Findings:
    """Hears the mode's test clips and the training normals with every model.

    The protocol is that of `asd_jax.evaluation.evaluate.evaluate`.

    Raises:
        FileNotFoundError: a model is not trained.
        ValueError: there are no test clips, or a model was not trained on their machine type.
    """
    data = experiment.data
    clips = all_clips(data.dataset, data.data_dir)
    test = select_clips(clips, [STAGE_OF_MODE[data.mode]], "test", data.machine_types)
    models, thresholds = [], {}
    is_fitted = False
    for name, group in model_groups(experiment, test).items():
        model = _model(experiment, workdir / "models" / name, group)
        score = calibrated_score(
            model, experiment.evaluation, {clip.machine_type for clip in group}
        )
        is_fitted = isinstance(score.score, FittedScore)
        normals = model.heard[0] if model.heard else Heard((), {})
        reports = model.report(group, f"{name}: test clips")
        values = score.score_samples(reports, group)
        p_values = np.ones(len(group))
        for key in sorted({(clip.machine_type, clip.section) for clip in group}):
            thresholds[key] = score.threshold(*key, experiment.evaluation.threshold_quantile)
            members = [
                i for i, clip in enumerate(group) if (clip.machine_type, clip.section) == key
            ]
            p_values[members] = score.p_values(*key, values[members])
        scores = tuple(
            ClipScore.of(clip, float(value), thresholds[clip.machine_type, clip.section])
            for clip, value in zip(group, values, strict=True)
        )
        models.append(ModelFindings(model, normals, model.heard[-1], scores, p_values))
    chosen = experiment.evaluation.score or models[0].model.detector.score_names[0]
    return Findings(experiment, chosen, is_fitted, tuple(models), thresholds)


def _model(experiment: Experiment, directory: Path, test: Sequence[ClipInfo]) -> HeardModel:
    """The model with the checkpoint that an evaluation takes."""
    model = HeardModel(experiment, directory, test)
    if experiment.evaluation.checkpoint == "last":
        return model
    # What is heard for the choice is not for the report.
    last = TrainedModel(experiment, directory, test, draw_learning_curve=False)
    return model.at(best_step(validate_checkpoints(last, experiment)))
