"""From published weights to a work directory that later commands use as if it had been trained here."""

import contextlib
import dataclasses
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import logging
from tfds_dcase import ClipInfo

from asd_jax.config import Experiment
from asd_jax.data.classes import ClassMap
from asd_jax.data.clips import ClipSource
from asd_jax.data.pipeline import observation_batches, training_batches
from asd_jax.detectors.base import Detector, TrainState
from asd_jax.interop.covariances import NAMES as COVARIANCES
from asd_jax.interop.covariances import covariances_of, write_covariances
from asd_jax.interop.published import PUBLISHED, config_class, find_network, interop, left_out
from asd_jax.interop.weight_files import Tensors, read_weights
from asd_jax.scoring.choice import chosen_score
from asd_jax.training.checkpoints import Checkpoints
from asd_jax.training.clip_record import write_record
from asd_jax.training.differences import listed
from asd_jax.training.experiment import (
    CLASS_MAP_FILE,
    CONFIG_FILE,
    build_detector,
    model_groups,
    steps_per_epoch,
    training_clips,
    with_train_stages,
)
from asd_jax.training.loop import CHECKPOINTS, observe_clips
from asd_jax.training.mesh import data_mesh, local_batch_size, replicated
from asd_jax.training.work_directory import require_directory

ClassOrder = Literal["published", "sorted"]
"""How classes are numbered: machine types regardless of case (fan, ..., ToyCar, ..., valve), or as trained here."""

MACHINE_TYPE = "{machine_type}"
"""Stands in a weight file's path for the name of the machine type, where there is one model for each."""


class Weights(NamedTuple):
    """A weight file; `part` is put before its tensors' names where a system's networks lie in several files."""

    path: str
    part: str = ""


class _Model(NamedTuple):
    """All that a model's folder will hold."""

    class_map: ClassMap
    state: TrainState
    clips: list[ClipInfo]
    covariances: dict[str, np.ndarray]


def default_experiment(name: str) -> Experiment:
    """A published system with its default settings, on the data that it was published for."""
    return Experiment(f"{name}_imported", config_class(name)(), PUBLISHED[name].data)


def import_weights(
    name: str,
    weights: Sequence[Weights],
    experiment: Experiment,
    workdir: Path,
    class_map: ClassMap | None = None,
    class_order: ClassOrder = "published",
) -> list[Path]:
    """Writes a work directory with one checkpoint a model; nothing is written where anything is wrong.

    Args:
        name: key of `PUBLISHED`.
        weights: the files; their paths may hold `{machine_type}`.
        experiment: detector and data; the detector's sizes become those of the weights.
        workdir: must not exist, or be empty.
        class_map: which class is which; by default the training clips' classes in `class_order`.
        class_order: see `ClassOrder`.

    Returns:
        The models' folders.

    Raises:
        FileNotFoundError: a weight file is missing.
        ValueError: the weights are of another architecture, or do not know the classes of the data.
    """
    require_directory(workdir)
    if workdir.exists() and any(workdir.iterdir()):
        raise ValueError(f"{workdir} is not empty: choose another --workdir or --version")
    if not isinstance(experiment.detector, config_class(name)):
        raise ValueError(
            f"the configuration is of {type(experiment.detector).__name__}, not of {name}"
        )
    experiment = with_train_stages(experiment)
    groups = model_groups(experiment, training_clips(experiment))
    if len(groups) > 1 and not any(MACHINE_TYPE in file.path for file in weights):
        raise ValueError(
            f"one file cannot be the models of {', '.join(groups)}: write {MACHINE_TYPE} in its path, or choose one "
            "of them with --machine_types"
        )
    experiment, found = _find_networks(name, weights, experiment, list(groups))
    models = {}
    for model, (tensors, classes) in found.items():
        chosen = class_map or _numbered(groups[model], experiment.data.class_by, class_order)
        _require_classes(chosen, classes, groups[model])
        detector = build_detector(experiment, chosen, len(groups[model]))
        chosen_score(experiment.evaluation, detector)
        with _about(_files_of(model, weights)):
            state = _loaded(name, detector, tensors, experiment, groups[model])
            covariances = _covariances(tensors)
        models[model] = _Model(chosen, state, groups[model], covariances)
    return _write(experiment, models, workdir)


def _find_networks(
    name: str, weights: Sequence[Weights], experiment: Experiment, models: Sequence[str]
) -> tuple[Experiment, dict[str, tuple[Tensors, int]]]:
    """The experiment with the weights' sizes, and every model's tensors and number of classes."""
    found, configs = {}, {}
    for model in models:
        files = _files_of(model, weights)
        with _about(files):
            content = _read(files)
            tensors, configs[model], classes = find_network(name, content, experiment.detector)
            _name_what_is_left(content, tensors)
        found[model] = tensors, classes
    first = configs[models[0]]
    for model, config in configs.items():
        if config != first:
            raise ValueError(f"the models of {models[0]} and {model} differ in size: import each")
    return dataclasses.replace(experiment, detector=first), found


def _name_what_is_left(content: Tensors, used: Mapping[str, np.ndarray]) -> None:
    left = left_out(content, used)
    if left:
        more = f" and {len(left) - 5} more" if len(left) > 5 else ""
        logging.warning(
            "not imported, since the network has no place for it: %s%s. A published score that rests on it will differ",
            ", ".join(left[:5]),
            more,
        )


def _covariances(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those that the published score rests on; says whether it does."""
    found = covariances_of(tensors)
    if found:
        logging.info(
            "%s are imported: evaluation.score=mahalanobis_nttcslab is the published score",
            " and ".join(found),
        )
    elif any(name in tensors for name in COVARIANCES):
        logging.warning(
            "%s are all zeros, they were never fitted: Mahalanobis scores take those of the training clips here",
            " and ".join(COVARIANCES),
        )
    return found


def _files_of(model: str, weights: Sequence[Weights]) -> list[Weights]:
    return [Weights(file.path.replace(MACHINE_TYPE, model), file.part) for file in weights]


@contextlib.contextmanager
def _about(files: Sequence[Weights]) -> Iterator[None]:
    """Names the files in errors about their content."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{', '.join(file.path for file in files)}: {error}") from error


def _read(files: Sequence[Weights]) -> Tensors:
    tensors: Tensors = {}
    for file in files:
        prefix = f"{file.part}." if file.part else ""
        content = read_weights(Path(file.path).expanduser())
        tensors |= {f"{prefix}{key}": tensor for key, tensor in content.items()}
    return tensors


def _numbered(clips: Sequence[ClipInfo], by: Sequence[str], order: ClassOrder) -> ClassMap:
    fitted = ClassMap.fit(clips, by)
    if order == "sorted":
        return fitted
    return ClassMap(fitted.by, tuple(sorted(fitted.classes, key=lambda c: [v.lower() for v in c])))


def _require_classes(class_map: ClassMap, classes: int, clips: Sequence[ClipInfo]) -> None:
    unknown = class_map.unknown(clips)
    if unknown:
        raise ValueError(
            f"--class_map has no class {listed(unknown)}, which the training clips have: add it, or choose the clips "
            "with --machine_types, --mode or --set data.train_stages=dev,eval"
        )
    if classes and classes != len(class_map):
        some = ", ".join("/".join(values) for values in class_map.classes[:4])
        raise ValueError(
            f"the weights tell {classes} classes apart, the data have {len(class_map)} ({some}, ...): prepare what "
            "they were trained on, choose it with --machine_types, --mode or --set data.train_stages=dev,eval, or "
            "name the weights' classes with --class_map=FILE"
        )


def _loaded(
    name: str,
    detector: Detector,
    tensors: Tensors,
    experiment: Experiment,
    clips: Sequence[ClipInfo],
) -> TrainState:
    """The weights as the state of a finished training."""
    mesh = data_mesh()
    everywhere = replicated(mesh)
    key = jax.random.key(experiment.training.seed)
    fresh = jax.jit(detector.init, out_shardings=everywhere)(key)
    state = interop(name).load_weights(detector, fresh, tensors)
    if detector.observes_training_data:
        batch_size = local_batch_size(mesh, experiment.training.batch_size)
        data = experiment.data
        source = ClipSource(data.dataset, data.data_dir, clips, data.channel)
        batches = observation_batches(source, experiment.detector.windows(), batch_size)
        state = observe_clips(detector, state, batches, mesh)
    steps = experiment.training.epochs * steps_per_epoch(experiment, len(clips))
    return jax.device_put(state.replace(step=jnp.asarray(steps, jnp.int32)), everywhere)


def _write(experiment: Experiment, models: Mapping[str, _Model], workdir: Path) -> list[Path]:
    """Writes beside the work directory first: a part of one must not be taken for the whole."""
    workdir.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f"{workdir.name}.", dir=workdir.parent))
    try:
        for name, model in models.items():
            _write_model(experiment, model, unfinished / "models" / name)
        (unfinished / CONFIG_FILE).write_text(experiment.to_json())
        # A temporary folder is its owner's alone; a work directory is as readable as any other.
        unfinished.chmod(0o755)
        unfinished.replace(workdir)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return [workdir / "models" / name for name in models]


def _write_model(experiment: Experiment, model: _Model, directory: Path) -> None:
    directory.mkdir(parents=True)
    model.class_map.save(directory / CLASS_MAP_FILE)
    write_record(directory, model.clips, model.class_map)
    write_covariances(directory, model.covariances)
    data, training = experiment.data, experiment.training
    # Checkpoints hold a data iterator as well: that of a training which is about to begin.
    batches = training_batches(
        ClipSource(data.dataset, data.data_dir, model.clips, data.channel),
        [0] * len(model.clips),
        experiment.detector.windows(),
        local_batch_size(data_mesh(), training.batch_size),
        training.seed,
    )
    configuration = experiment.to_json()
    with contextlib.closing(iter(batches)) as iterator:
        with Checkpoints(directory / CHECKPOINTS, configuration=configuration) as checkpoints:
            checkpoints.save(model.state, iterator)
