"""The files of a work directory that say what it is of: written once all is checked, refused to another training."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfds_dcase_command.invocation import command

from asd_jax.config import Experiment
from asd_jax.training.clip_record import RECORD_FILE
from asd_jax.training.differences import differing, listed

CONFIG_FILE = "config.json"
CLASS_MAP_FILE = "class_map.json"
MODELS = "models"
SERIES_MODEL = "model"
CHECKPOINTS = "checkpoints"


def last_checkpoint(directory: Path) -> int | None:
    """Step of the newest whole checkpoint in a model's folder; None where nothing was learnt yet."""
    steps = [int(path.name) for path in (directory / CHECKPOINTS).glob("*") if path.name.isdigit()]
    return max(steps, default=None)


def require_directory(workdir: Path) -> None:
    """Checks that a work directory can lie there.

    Raises:
        ValueError: a file is in its place, or in that of a folder above it.
    """
    for path in (workdir, *workdir.parents):
        if path.exists() and not path.is_dir():
            raise ValueError(f"{path} is a file, no folder: choose another --version or --workdir")


def require_same_settings(path: Path, earlier: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Checks that a work directory's configuration is the one that is asked for.

    Args:
        path: of the work directory's configuration.
        earlier: what it holds.
        now: what is asked for.

    Raises:
        ValueError: settings differ; the message names the first few.
    """
    lines = differing(earlier, now)
    if not lines:
        return
    advice = ""
    if all(line.startswith("evaluation.") for line in lines):
        advice = f" ({command('evaluate')} takes --set for evaluation.* without training again)"
    epochs = [
        settings["training"]["epochs"] for settings in (earlier, now) if "training" in settings
    ]
    if len(lines) == 1 and lines[0].startswith("training.epochs") and epochs[0] < epochs[-1]:
        advice = " (--extend goes on with more epochs)"
    raise ValueError(
        f"{path} is of another experiment ({listed(lines)}): choose another --version or --workdir, or give the "
        f"earlier settings to go on{advice}; to start this one again, move {path.parent} away first"
    )


def write_whole(path: Path, text: str) -> None:
    """Writes a file as a whole or not at all, and its folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(text)
    unfinished.replace(path)


def is_begun(workdir: Path) -> bool:
    """Whether a work directory, of clips or of a series, holds anything that was learnt.

    What stands in it before its first checkpoint is of a start that failed, and binds no later one.
    """
    models = [*model_directories(workdir), workdir / SERIES_MODEL]
    return any(last_checkpoint(directory) is not None for directory in models)


def require_config(workdir: Path) -> Path:
    """The configuration's file of a work directory that holds checkpoints.

    Raises:
        ValueError: it is missing.
    """
    path = workdir / CONFIG_FILE
    if not path.is_file():
        raise ValueError(
            f"{path} is missing, though {workdir} holds checkpoints: put it back (each checkpoint has a copy, "
            "configuration/metadata), or choose another --version or --workdir"
        )
    return path


def model_directories(workdir: Path) -> list[Path]:
    """The folders of all models that a work directory has."""
    return sorted(path for path in (workdir / MODELS).glob("*") if path.is_dir())


def clear_failed_start(workdir: Path) -> None:
    """Removes what a start that failed wrote of its classes and clips, where nothing was learnt.

    A class map without a record of clips was not written by a training and stays.
    """
    for directory in model_directories(workdir):
        if (directory / RECORD_FILE).is_file() and last_checkpoint(directory) is None:
            (directory / RECORD_FILE).unlink()
            (directory / CLASS_MAP_FILE).unlink(missing_ok=True)


def settings_of(experiment: Experiment) -> dict[str, Any]:
    """An experiment's configuration as a JSON object."""
    return dict(json.loads(experiment.to_json()))
