"""Which checkpoint recordings are scored with: the one that an evaluation takes."""

import json

from absl import logging
from tfds_dcase import ArchiveError

from asd_jax.config import Experiment
from asd_jax.evaluation.trained_model import TrainedModel, checkpoint_steps
from asd_jax.evaluation.validation import best_step, validate_checkpoints
from asd_jax.inference.calibration_settings import FOLDER, heard_settings, kept_name
from asd_jax.json_files import read_json_object


def with_chosen_checkpoint(last: TrainedModel, experiment: Experiment) -> TrainedModel:
    """The model with the checkpoint that an evaluation takes.

    One that held-out normals favour is looked for once and remembered in the model's folder.

    Args:
        last: the model with its last checkpoint.
        experiment: the work directory's configuration.

    Raises:
        ValueError: there are no held-out normals to choose by, or they are not at hand.
    """
    if experiment.evaluation.checkpoint == "last":
        return last
    steps = checkpoint_steps(last.directory)
    settings = heard_settings(experiment, last.detector) | {"steps": steps}
    path = last.directory / FOLDER / f"{kept_name('validated', settings)}.json"
    if path.is_file():
        step = read_json_object(path, "the choice of a checkpoint").get("step")
        if step not in steps:
            raise ValueError(
                f"{path} chooses step {step!r}, the checkpoints are of {', '.join(map(str, steps))}: delete this file, "
                "and the choice is made anew"
            )
        return last.at(step)
    try:
        step = best_step(validate_checkpoints(last, experiment))
    except ArchiveError as error:
        raise ValueError(
            f"the checkpoint of model {last.name} is not chosen yet, and the held-out clips that this takes are not at "
            f"hand ({error}). Name their place with --data_dir, or --set evaluation.checkpoint=last"
        ) from error
    try:
        path.parent.mkdir(exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps({"step": step, "settings": settings}, indent=2) + "\n")
        unfinished.replace(path)
    except OSError as error:
        logging.warning("the choice of the checkpoint is not kept in %s (%s)", path, error)
    return last.at(step)
