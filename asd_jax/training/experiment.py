"""A whole experiment: from prepared data to trained models in a work directory."""

import dataclasses
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
from absl import logging
from tfds_dcase import ClipInfo
from tfds_dcase.regular_files import require_regular_file

from asd_jax.config import Experiment
from asd_jax.data.classes import ClassMap
from asd_jax.data.clips import STAGE_OF_MODE, ClipSource, all_clips, select_clips
from asd_jax.data.pipeline import observation_batches, training_batches
from asd_jax.detectors.base import Detector, detector_of
from asd_jax.json_files import MOST_BYTES
from asd_jax.scoring.choice import chosen_score
from asd_jax.training.announcement import ModelSize, announcement, parameter_count, say
from asd_jax.training.clip_record import write_record
from asd_jax.training.completeness import completeness_of, require_complete
from asd_jax.training.lock import only_training
from asd_jax.training.loop import Training
from asd_jax.training.mesh import data_mesh, local_batch_size
from asd_jax.training.settled import settled_class_map, settled_clips
from asd_jax.training.work_directory import (
    CLASS_MAP_FILE,
    CONFIG_FILE,
    MODELS,
    clear_failed_start,
    is_begun,
    last_checkpoint,
    require_config,
    require_directory,
    require_same_settings,
    settings_of,
    write_whole,
)

EVERY_MACHINE_TYPE = "all"


@dataclasses.dataclass(frozen=True)
class _Model:
    """A model that is ready to be trained.

    Attributes:
        directory: its folder.
        clips: what it learns, in the order in which batches are drawn.
        class_map: which class is which.
        training: its training, ready to run.
        size: for the lines that are printed first.
    """

    directory: Path
    clips: Sequence[ClipInfo]
    class_map: ClassMap
    training: Training
    size: ModelSize


def train(experiment: Experiment, workdir: Path, extend: bool = False) -> list[Path]:
    """Trains the experiment's model, or one a machine type; goes on where an earlier run stopped.

    Nothing is written before all that can be checked was checked, for all models.

    Args:
        experiment: what to train on which data.
        workdir: gets the configuration and a folder `models/<machine type or all>` a model with class map, list of
            clips, checkpoints and logs: all that later commands need.
        extend: go on past the epochs of an earlier training; all else must be as it was.

    Returns:
        The models' folders.

    Raises:
        ValueError: the work directory holds another experiment or learnt from other clips, or the data lack what the
            experiment asks for.
    """
    experiment = with_train_stages(experiment)
    require_directory(workdir)
    _require_same(experiment, workdir, extend)
    clips = training_clips(experiment)
    found = completeness_of(experiment.data, clips)
    require_complete(experiment.data, found)
    _require_validation(experiment)
    models = {
        name: _model(experiment, group, workdir / MODELS / name)
        for name, group in model_groups(experiment, clips).items()
    }
    sizes = {name: model.size for name, model in models.items()}
    say(announcement(experiment.data, clips, sizes, found))
    with only_training(workdir):
        _write_config(experiment, workdir, extend)
        for model in models.values():
            _write_class_map_and_clips(model)
            logging.info("training model %s on %d clips", model.directory.name, len(model.clips))
            model.training.run()
    return [model.directory for model in models.values()]


def _require_validation(experiment: Experiment) -> None:
    if experiment.evaluation.checkpoint == "validated" and not experiment.data.held_out:
        raise ValueError(
            "evaluation.checkpoint=validated chooses by normals that training leaves out: give "
            "--set data.held_out=0.1, or --set evaluation.checkpoint=last"
        )


def with_train_stages(experiment: Experiment) -> Experiment:
    """Spells out what the mode implies: a later evaluation in another mode must still know what was trained on."""
    data = experiment.data
    stages = data.train_stages or (STAGE_OF_MODE[data.mode],)
    return dataclasses.replace(experiment, data=dataclasses.replace(data, train_stages=stages))


def training_clips(experiment: Experiment) -> list[ClipInfo]:
    """The normal clips that the experiment trains on; its `data.train_stages` must be spelled out."""
    return _parted_clips(experiment)[0]


def held_out_clips(experiment: Experiment) -> list[ClipInfo]:
    """The normal clips of the same stages that training leaves out (`data.held_out`), for validation."""
    return _parted_clips(experiment)[1]


def _parted_clips(experiment: Experiment) -> tuple[list[ClipInfo], list[ClipInfo]]:
    data = experiment.data
    clips = all_clips(data.dataset, data.data_dir)
    chosen = select_clips(clips, data.train_stages, "train", data.machine_types)
    groups: dict[tuple[str, str, str], list[ClipInfo]] = defaultdict(list)
    for clip in chosen:
        groups[clip.machine_type, clip.section, clip.domain].append(clip)
    held_out = {
        group[i].clip_id for group in groups.values() for i in _evenly(len(group), data.held_out)
    }
    return (
        [clip for clip in chosen if clip.clip_id not in held_out],
        [clip for clip in chosen if clip.clip_id in held_out],
    )


def _evenly(count: int, share: float) -> list[int]:
    """Positions of that share of so many clips, spread over them; one clip at least stays."""
    if not 0.0 <= share < 1.0:
        raise ValueError(f"data.held_out is a share from 0 to below 1, not {share}")
    wanted = min(math.ceil(count * share), count - 1)
    return [(2 * i + 1) * count // (2 * wanted) for i in range(wanted)]


def model_groups(experiment: Experiment, clips: Sequence[ClipInfo]) -> dict[str, list[ClipInfo]]:
    """Training clips by model name: one model for all machine types, or one for each."""
    if experiment.data.one_model_per == "all":
        return {EVERY_MACHINE_TYPE: list(clips)}
    names = sorted({clip.machine_type for clip in clips})
    return {name: [clip for clip in clips if clip.machine_type == name] for name in names}


def build_detector(experiment: Experiment, class_map: ClassMap, clips: int) -> Detector:
    """The experiment's detector for a training on that many clips."""
    steps = steps_per_epoch(experiment, clips)
    return detector_of(experiment.detector, len(class_map), steps, experiment.training.epochs)


def steps_per_epoch(experiment: Experiment, clips: int) -> int:
    """Steps that hear every clip about once."""
    return math.ceil(clips / experiment.training.batch_size)


def _model(experiment: Experiment, clips: Sequence[ClipInfo], directory: Path) -> _Model:
    """Checks all that a model's training needs; writes nothing."""
    config, data = experiment.training, experiment.data
    steps = steps_per_epoch(experiment, len(clips))
    clips = settled_clips(directory, clips, steps, f"{data.dataset} in {data.data_dir}")
    class_map = settled_class_map(directory, clips, data.class_by)
    detector = build_detector(experiment, class_map, len(clips))
    chosen_score(experiment.evaluation, detector)
    source = ClipSource(data.dataset, data.data_dir, clips, data.channel)
    policy = experiment.detector.windows()
    batch_size = local_batch_size(data_mesh(), config.batch_size)
    class_ids = [class_map.class_id(clip) for clip in clips]
    training = Training(
        detector,
        training_batches(source, class_ids, policy, batch_size, config.seed),
        [clip.clip_id for clip in clips],
        steps,
        config,
        experiment.to_json(),
        directory,
        observation_batches(source, policy, batch_size)
        if detector.observes_training_data
        else None,
    )
    done = last_checkpoint(directory) or 0
    batch = {
        "waveform": jax.ShapeDtypeStruct((config.batch_size, policy.samples), np.int16),
        "class_id": jax.ShapeDtypeStruct((config.batch_size,), np.int32),
    }
    parameters = parameter_count(training.shapes(batch).params)
    size = ModelSize(len(clips), len(class_map), parameters, done, config.epochs * steps)
    return _Model(directory, clips, class_map, training, size)


def _write_class_map_and_clips(model: _Model) -> None:
    """Before the first step; a class map that is there stays, since imported weights may number classes otherwise."""
    model.directory.mkdir(parents=True, exist_ok=True)
    if jax.process_index() > 0:
        return
    if not (model.directory / CLASS_MAP_FILE).is_file():
        model.class_map.save(model.directory / CLASS_MAP_FILE)
    write_record(model.directory, model.clips, model.class_map)


def _require_same(experiment: Experiment, workdir: Path, extend: bool) -> None:
    """Checks that the work directory is new or of this experiment, but for more epochs where it is extended."""
    if not is_begun(workdir):
        if extend:
            raise ValueError(f"{workdir} holds no training to extend: train without --extend first")
        return
    path = require_config(workdir)
    before = load_experiment(workdir)
    if extend:
        epochs = experiment.training.epochs
        if epochs < before.training.epochs:
            raise ValueError(
                f"{path} has {before.training.epochs} epochs: to extend it, --set training.epochs={epochs} must be more"
            )
        before = dataclasses.replace(
            before, training=dataclasses.replace(before.training, epochs=epochs)
        )
    require_same_settings(path, settings_of(before), settings_of(experiment))


def _write_config(experiment: Experiment, workdir: Path, extend: bool) -> None:
    """Writes the configuration where none is, or a failed start's, or one with another data_dir or fewer epochs."""
    if jax.process_index() > 0:
        return
    path = workdir / CONFIG_FILE
    if is_begun(workdir):
        earlier = load_experiment(workdir)
        before = earlier.data
        if before == experiment.data and earlier.training.epochs == experiment.training.epochs:
            return
        if before.data_dir != experiment.data.data_dir:
            logging.warning("%s: data.data_dir is now %s", path, experiment.data.data_dir)
    else:
        clear_failed_start(workdir)
    write_whole(path, experiment.to_json())


def load_experiment(workdir: Path) -> Experiment:
    """The configuration that a work directory was trained with.

    Raises:
        FileNotFoundError: the folder is no work directory.
    """
    path = workdir / CONFIG_FILE
    if not path.is_file():
        known = sorted(str(found.parent) for found in workdir.parent.glob(f"*/{CONFIG_FILE}"))
        raise FileNotFoundError(
            f"{workdir} holds no {CONFIG_FILE}: give the --workdir of a training; "
            f"beside it: {', '.join(known) or 'none'}"
        )
    require_regular_file(path, "a run's configuration")
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path} has more than {MOST_BYTES:,} bytes: it is no run's configuration")
    try:
        return Experiment.from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
