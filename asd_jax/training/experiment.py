"""A whole experiment: from prepared data to trained models in a work directory."""

import dataclasses
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
from absl import logging
from tfds_dcase import ClipInfo

from asd_jax.config import Experiment
from asd_jax.data.classes import ClassMap
from asd_jax.data.clips import STAGE_OF_MODE, ClipSource, all_clips, select_clips
from asd_jax.data.pipeline import observation_batches, training_batches
from asd_jax.detectors.base import Detector, detector_of
from asd_jax.training.loop import Training
from asd_jax.training.mesh import data_mesh, local_batch_size

CONFIG_FILE = "config.json"
CLASS_MAP_FILE = "class_map.json"
EVERY_MACHINE_TYPE = "all"


def train(experiment: Experiment, workdir: Path) -> list[Path]:
    """Trains the experiment's model, or one a machine type; goes on where an earlier run stopped.

    Args:
        experiment: what to train on which data.
        workdir: gets the configuration and a folder `models/<machine type or all>` a model with class map, checkpoints
            and logs: all that later commands need.

    Returns:
        The models' folders.

    Raises:
        ValueError: the work directory holds another experiment, or the data lack what the experiment asks for.
    """
    experiment = _with_train_stages(experiment)
    clips = training_clips(experiment)
    _write_config(experiment, workdir)
    folders = []
    for name, group in model_groups(experiment, clips).items():
        directory = workdir / "models" / name
        directory.mkdir(parents=True, exist_ok=True)
        logging.info("training model %s on %d clips", name, len(group))
        _train_model(experiment, group, directory)
        folders.append(directory)
    return folders


def _with_train_stages(experiment: Experiment) -> Experiment:
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


def _train_model(experiment: Experiment, clips: Sequence[ClipInfo], directory: Path) -> None:
    config = experiment.training
    class_map = _class_map(experiment, clips, directory / CLASS_MAP_FILE)
    data = experiment.data
    source = ClipSource(data.dataset, data.data_dir, clips, data.channel)
    policy = experiment.detector.windows()
    batch_size = local_batch_size(data_mesh(), config.batch_size)
    class_ids = [class_map.class_id(clip) for clip in clips]
    batches = training_batches(source, class_ids, policy, batch_size, config.seed)
    detector = build_detector(experiment, class_map, len(clips))
    observation = None
    if detector.observes_training_data:
        observation = observation_batches(source, policy, batch_size)
    Training(
        detector,
        batches,
        [clip.clip_id for clip in clips],
        steps_per_epoch(experiment, len(clips)),
        config,
        experiment.to_json(),
        directory,
        observation,
    ).run()


def _class_map(experiment: Experiment, clips: Sequence[ClipInfo], path: Path) -> ClassMap:
    """The class map of a model; one that is there stays, since imported weights may number the classes otherwise."""
    if path.is_file():
        return ClassMap.load(path)
    class_map = ClassMap.fit(clips, experiment.data.class_by)
    if jax.process_index() == 0:
        class_map.save(path)
    return class_map


def _write_config(experiment: Experiment, workdir: Path) -> None:
    """Writes the configuration, or checks that an earlier run's is the same."""
    path = workdir / CONFIG_FILE
    if path.is_file():
        _require_same(Experiment.from_json(path.read_text()), experiment, path)
        return
    if jax.process_index() > 0:
        return
    workdir.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(experiment.to_json())
    unfinished.replace(path)


def _require_same(earlier: Experiment, now: Experiment, path: Path) -> None:
    before, after = _settings(earlier), _settings(now)
    changed = sorted(
        key for key in before.keys() | after.keys() if before.get(key) != after.get(key)
    )
    if changed:
        listed = ", ".join(
            f"{key} was {before.get(key)!r}, is {after.get(key)!r}" for key in changed
        )
        raise ValueError(
            f"{path} is of another experiment ({listed}): choose another --workdir, or delete this one"
        )


def _settings(experiment: Experiment) -> dict[str, Any]:
    """Every key with its value; a detector's class counts by its name, wherever its file lies."""
    content = dataclasses.asdict(experiment)
    content["detector"]["class"] = type(experiment.detector).__qualname__
    return _flat(content)


def _flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in content.items():
        found |= (
            _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return found


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
    return Experiment.from_json(path.read_text())
