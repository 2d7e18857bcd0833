"""Where the results of an evaluation lie: each score, checkpoint and protocol has a folder of its own."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asd_jax.config import Experiment
from asd_jax.training.experiment import CONFIG_FILE, load_experiment

_MANY = 3
# What changes no score, or has a word of its own in the name.
_ELSEWHERE = frozenset(
    {
        "name",
        "data.mode",
        "data.data_dir",
        "data.machine_types",
        "evaluation.batch_size",
        "evaluation.loudness",
        "evaluation.score",
        "evaluation.checkpoint",
    }
)


def place_name(experiment: Experiment, workdir: Path, default_score: str) -> str:
    """The mode, and whatever of the evaluation is not as the work directory's configuration has it.

    `development`; with another score `development_mahalanobis`; with some machine types only `development_fan`; where
    other settings differ, a short digest of them stands at the end.

    Args:
        experiment: what is evaluated.
        workdir: the run, whose configuration names the usual evaluation.
        default_score: the score that is meant where a configuration names none.
    """
    mode = experiment.data.mode
    if not (workdir / CONFIG_FILE).is_file():
        return mode
    own = load_experiment(workdir)
    parts: list[str] = [mode]
    score, own_score = (e.evaluation.score or default_score for e in (experiment, own))
    if score != own_score:
        parts.append(score.replace("/", "-"))
    if experiment.evaluation.checkpoint != own.evaluation.checkpoint:
        parts.append(experiment.evaluation.checkpoint)
    types = experiment.data.machine_types
    rest = _differences(experiment, own)
    if set(types) != set(own.data.machine_types):
        if 0 < len(types) <= _MANY:
            parts.append("-".join(sorted(types)))
        else:
            rest["data.machine_types"] = sorted(types)
    if rest:
        text = json.dumps(rest, sort_keys=True)
        parts.append(hashlib.sha256(text.encode()).hexdigest()[:8])
    return "_".join(parts)


def _differences(experiment: Experiment, own: Experiment) -> dict[str, Any]:
    asked, usual = (dict(_flat(json.loads(e.to_json()))) for e in (experiment, own))
    return {
        key: asked.get(key)
        for key in asked.keys() | usual.keys()
        if key not in _ELSEWHERE
        and not key.startswith("training.")
        and asked.get(key) != usual.get(key)
    }


def _flat(content: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in content.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{key}.")
        else:
            found.append((prefix + key, value))
    return found


@dataclasses.dataclass(frozen=True)
class Provenance:
    """What `summary.json` says of how its numbers came about; empty where it says nothing."""

    protocol: str = ""
    score: str = ""
    checkpoint: str = ""

    def __str__(self) -> str:
        return f"score {self.score}, {self.checkpoint} checkpoint" if self.score else ""


def read_provenance(folder: Path) -> Provenance:
    """Reads the summary of an evaluation; those of earlier versions say nothing."""
    for name in ("summary.json", "oracle_summary.json"):
        path = folder / name
        if path.is_file():
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
                return Provenance(
                    *(str(content.get(key, "")) for key in ("protocol", "score", "checkpoint"))
                )
            except (ValueError, AttributeError, RecursionError) as error:
                raise ValueError(f"{path} is damaged ({error}): evaluate again") from error
    return Provenance()
