"""Which anomaly score an experiment chooses among those that its detector offers."""

import typing

from asd_jax.config import EvaluationConfig
from asd_jax.detectors.base import Detector
from asd_jax.scoring.settings import FittedScore, ScorerKind


def chosen_score(config: EvaluationConfig, detector: Detector) -> str | FittedScore:
    """A report of the detector, or what to fit on its reports.

    Raises:
        ValueError: the detector has no such score.
    """
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
