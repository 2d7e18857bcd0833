"""What a calibration depends on, and the name that it is found again by."""

import dataclasses
import hashlib
import json
from typing import Any

from asd_jax.config import Experiment
from asd_jax.detectors.base import Detector

FOLDER = "calibration"
# Raise it whenever the same settings come to give other numbers.
_FORMAT = 1
_NOT_HEARD = ("data_dir", "mode", "expects", "incomplete")

Settings = dict[str, Any]


def heard_settings(experiment: Experiment, detector: Detector) -> Settings:
    """The detector, its training clips and its score, as JSON."""
    evaluation = experiment.evaluation
    name = evaluation.score or detector.score_names[0]
    score: Settings = {"name": name, "pooling": evaluation.pooling}
    if name in detector.score_names:
        score["threshold_clips"] = evaluation.threshold_clips
    else:
        score["reference_clips"] = evaluation.reference_clips
        score["scorer"] = dataclasses.asdict(evaluation.scorer)
    data = dataclasses.asdict(experiment.data)
    kind = {"class": type(experiment.detector).__qualname__}
    return as_json(
        {
            "format": _FORMAT,
            "detector": kind | dataclasses.asdict(experiment.detector),
            "data": {key: value for key, value in data.items() if key not in _NOT_HEARD},
            "score": score,
        }
    )


def as_json(settings: Settings) -> Settings:
    """The settings as they come back from a file: tuples become lists."""
    return json.loads(json.dumps(settings))


def kept_name(title: str, settings: Settings) -> str:
    """A name that differs where any setting does."""
    text = json.dumps(settings, sort_keys=True)
    return f"{title}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
