"""Which checkpoint to take, without a label: what held-out training normals say of each.

A good checkpoint tells the machines apart: a held-out normal clip that claims to be another machine's should score
higher than that machine's own clips. Where the score does not depend on the machine that a clip claims to be (an
autoencoder's error), or there is no other machine, the checkpoint with the lowest score of held-out normals is taken.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from tfds_dcase import ClipInfo

from asd_jax.config import EvaluationConfig, Experiment
from asd_jax.evaluation.calibrated import calibrated_score
from asd_jax.evaluation.metrics import arithmetic_mean, auc
from asd_jax.evaluation.trained_model import TrainedModel, checkpoint_steps
from asd_jax.scoring.choice import chosen_score
from asd_jax.scoring.settings import FittedScore
from asd_jax.training.experiment import held_out_clips, model_groups
from asd_jax.training.recorded_data import require_unheard

Place = tuple[str, str]
"""Machine type and section."""


@dataclass(frozen=True)
class Validation:
    """What held-out normals say of a checkpoint.

    Attributes:
        step: of the checkpoint.
        confusion_auc: mean over sections of the AUC between their own clips and those of another section that claim to
            be of it; NaN where the score does not depend on the claim.
        normal_score: mean anomaly score of the clips under their own section.
    """

    step: int
    confusion_auc: float
    normal_score: float


def validate_checkpoints(last: TrainedModel, experiment: Experiment) -> list[Validation]:
    """Validates every kept checkpoint of a model on the normals that its training left out.

    Raises:
        ValueError: training left out none, or not these.
    """
    held_out = model_groups(experiment, held_out_clips(experiment)).get(last.name, [])
    if not held_out:
        raise ValueError(
            "evaluation.checkpoint=validated chooses by normals that training left out, and this one left out none: "
            "train with --set data.held_out=0.1, or take --set evaluation.checkpoint=last"
        )
    require_unheard(last.directory, held_out)
    return [
        validate(last.at(step), experiment.evaluation, held_out, step)
        for step in checkpoint_steps(last.directory)
    ]


def validate(
    model: TrainedModel, config: EvaluationConfig, held_out: Sequence[ClipInfo], step: int
) -> Validation:
    """Scores the held-out normals under their own section, and under another one.

    Args:
        model: with the checkpoint of `step`.
        config: names the score.
        held_out: normal clips that training left out.
        step: of the checkpoint.
    """
    impostor_of = _neighbours(held_out)
    claimed = [
        replace(clip, machine_type=place[0], section=place[1])
        for clip in held_out
        if (place := impostor_of.get(_place(clip)))
    ]
    own_scores = _scores(model, config, held_out)
    normal_score = float(own_scores.mean())
    if not claimed:
        return Validation(step, math.nan, normal_score)
    claimed_scores = _scores(model, config, claimed)
    if np.allclose(own_scores, claimed_scores, rtol=1e-6):
        return Validation(step, math.nan, normal_score)
    areas = []
    for place in sorted(set(impostor_of.values())):
        own = own_scores[[_place(clip) == place for clip in held_out]]
        others = claimed_scores[[_place(clip) == place for clip in claimed]]
        labels = np.repeat([0, 1], [len(own), len(others)])
        areas.append(auc(labels, np.concatenate([own, others])))
    return Validation(step, arithmetic_mean(areas), normal_score)


def best_step(validations: Sequence[Validation]) -> int:
    """The step with the highest confusion AUC, and of equal ones, or without any, that with the lowest normal score."""
    told = not any(math.isnan(found.confusion_auc) for found in validations)
    return min(
        validations,
        key=lambda found: (-found.confusion_auc if told else 0.0, found.normal_score),
    ).step


def _scores(model: TrainedModel, config: EvaluationConfig, clips: Sequence[ClipInfo]) -> np.ndarray:
    score = chosen_score(config, model.detector)
    reports = model.report(clips, f"{model.name}: held-out normals")
    if not isinstance(score, FittedScore):
        return reports[score]
    types = {clip.machine_type for clip in clips}
    return calibrated_score(model, config, types).score_samples(reports, clips)


def _neighbours(clips: Sequence[ClipInfo]) -> dict[Place, Place]:
    """For every section another one that its clips claim to be of: the next of the machine type, else of the model."""
    places = sorted({_place(clip) for clip in clips})
    by_type: dict[str, list[Place]] = defaultdict(list)
    for place in places:
        by_type[place[0]].append(place)
    alone = [place for place in places if len(by_type[place[0]]) == 1]
    circles = [group for group in by_type.values() if len(group) > 1] + [alone]
    return {
        place: circle[(i + 1) % len(circle)]
        for circle in circles
        if len(circle) > 1
        for i, place in enumerate(circle)
    }


def _place(clip: ClipInfo) -> Place:
    return clip.machine_type, clip.section
