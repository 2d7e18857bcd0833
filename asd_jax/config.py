"""What an experiment is: frozen dataclasses with a default for every key."""

import collections
import dataclasses
import difflib
import hashlib
import importlib
import importlib.util
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeVar

from asd_jax.data.classes import CLASS_FIELDS
from asd_jax.data.clips import Mode, Stage
from asd_jax.detectors.base import DetectorConfig
from asd_jax.detectors.catalogue import OWN
from asd_jax.json_files import parse_json_object
from asd_jax.ranges import (
    BatchSize,
    Between0And1,
    Count,
    CountOrNone,
    Seed,
    Share,
    faults_of,
    require_in_range,
    shown,
)
from asd_jax.scoring.settings import ScorerConfig
from asd_jax.typed_values import field_types, from_json, missing_keys, parse_text

_NAMED = 5
# Keys that configurations of earlier versions do not have; their defaults are what those versions did.
_LATER = frozenset(
    {
        "data.held_out",
        "data.channel",
        "data.expects",
        "data.incomplete",
        "evaluation.checkpoint",
        "evaluation.scorer",
        "evaluation.scorer.variance_floor",
        "evaluation.scorer.nttcslab_mean_error",
        "evaluation.scorer.nttcslab_covariance",
        "evaluation.reference_clips",
        "detector.features.silence",
        "detector.projection",
    }
)
Settings = TypeVar("Settings")
"""A frozen dataclass of settings, such as an experiment."""


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which clips a run uses.

    Attributes:
        dataset: `dcase2020` and so on; `folder` for own recordings.
        data_dir: folder of prepared datasets.
        mode: "development" trains and tests on the development data, "evaluation" on the evaluation data.
        machine_types: use these only; all by default.
        train_stages: train on these stages' normal clips ("dev", "eval"); by default on the mode's own.
        class_by: fields that make a clip's class: machine_type, section, domain, attributes.
        one_model_per: one model for "all" machine types, or one a "machine_type".
        held_out: share of every section's and domain's training clips that training leaves out, for choosing the
            checkpoint without labels (`evaluation.checkpoint=validated`).
        channel: of recordings with two, hear the one "near" the machine, the "far" one, or the "mean" of both.
        expects: training asks for what is "prepared", or for every "official" section of the year's machine types.
        incomplete: what training asks for and is not prepared is an "error"; "allow" trains on what is there.
    """

    dataset: str = "dcase2020"
    data_dir: str = "datasets"
    mode: Mode = "development"
    machine_types: tuple[str, ...] = ()
    train_stages: tuple[Stage, ...] = ()
    class_by: tuple[str, ...] = ("machine_type", "section")
    one_model_per: Literal["all", "machine_type"] = "all"
    held_out: Share = 0.0
    channel: Literal["near", "far", "mean"] = "near"
    expects: Literal["prepared", "official"] = "prepared"
    incomplete: Literal["error", "allow"] = "error"

    def faults(self) -> list[str]:
        """What does not fit together; see `ranges.require_in_range`."""
        found = [
            f"{name} names {shown(value)} twice"
            for name in ("machine_types", "train_stages", "class_by")
            for value, count in collections.Counter(getattr(self, name)).items()
            if count > 1
        ]
        found += [
            f"class_by names {shown(field)}, must be of {', '.join(CLASS_FIELDS)}"
            for field in self.class_by
            if field not in CLASS_FIELDS
        ]
        if "" in self.machine_types:
            found.append("machine_types names one without letters")
        return found if self.class_by else [*found, "class_by is empty, must name a field"]


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How long and in what portions a detector learns.

    Attributes:
        epochs: passes over the training clips.
        batch_size: windows a step, over all devices of all processes.
        seed: of the initial weights, the order of the clips and the crops.
        log_every: steps between two lines of the log; losses are checked for NaN as often.
        checkpoint_every: steps between checkpoints; 0 means once an epoch.
        keep_checkpoints: how many of the newest checkpoints stay.
    """

    epochs: CountOrNone = 300
    batch_size: BatchSize = 128
    seed: Seed = 0
    log_every: Count = 50
    checkpoint_every: CountOrNone = 0
    keep_checkpoints: Count = 2


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """How clips are scored and decided.

    Attributes:
        batch_size: windows a step on each process.
        checkpoint: the "last" one, or the kept one that training normals which training left out favour ("validated").
        score: one of the detector's scores, by default its first; or a scorer of the family (knn, lof, mahalanobis,
            cosine, gmm), which is fitted on the training normals.
        scorer: settings of such a scorer; a fitted score that the detector offers by name has its own.
        pooling: a clip's score is the "mean" or the "max" of its windows' scores.
        reference_clips: fit scorers on at most so many clips a section, evenly picked; 0 means all.
        threshold_quantile: share of training normals that should stay below the decision threshold.
        threshold_per: fit one threshold a "machine_type" (as the baselines) or a "section".
        threshold_clips: fit the threshold on at most so many clips a section, evenly picked; 0 means all. A fitted
            score takes its reference clips instead, each scored by scorers that were fitted without it.
        loudness: show the AUC of clip loudness beside the detector's: a check that the task is not trivial.
    """

    batch_size: BatchSize = 128
    checkpoint: Literal["last", "validated"] = "last"
    score: str = ""
    scorer: ScorerConfig = ScorerConfig()
    reference_clips: CountOrNone = 0
    pooling: Literal["mean", "max"] = "mean"
    threshold_quantile: Between0And1 = 0.9
    threshold_per: Literal["machine_type", "section"] = "machine_type"
    threshold_clips: CountOrNone = 0
    loudness: bool = False


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A reproducible experiment; a file under `configs/` returns one from `get_config()`."""

    name: str
    detector: DetectorConfig
    data: DataConfig = DataConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    def to_json(self) -> str:
        """The experiment as JSON; the detector's class is named by its import path, or by its file beside a config."""
        content = dataclasses.asdict(self)
        content["detector"] = _class_content(type(self.detector)) | content["detector"]
        return json.dumps(content, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Experiment":
        """Reads what `to_json` wrote.

        Raises:
            ValueError: the text is no such object, the detector's class is not one of asd_jax and was not named by the
                user, a key is unknown, or values are of another type or out of range.
        """
        content = parse_json_object(text)
        detector = content.pop("detector", None)
        if not isinstance(detector, dict) or not isinstance(detector.get("class"), str):
            raise ValueError("the configuration names no detector class: it is not one of asd_jax")
        path = detector.pop("class")
        if _DIGEST in detector and (path in OWN or not _is_digest(detector[_DIGEST])):
            belongs = "none belongs to a detector of asd_jax" if path in OWN else "it is no SHA-256"
            raise ValueError(f"detector.{_DIGEST} is {shown(detector[_DIGEST])}: {belongs}")
        kind = _detector_class(path, detector.pop(_DIGEST, None))
        # A detector from elsewhere tells itself which of its keys came later.
        written = content | {"detector": detector if _is_own(kind) else None}
        experiment = from_json(cls, content | {"detector": from_json(kind, detector, "detector")})
        require_in_range(experiment, "the configuration")
        missing = [key for key in missing_keys(experiment, written) if key not in _LATER]
        if missing:
            raise ValueError(
                f"the configuration lacks {', '.join(missing[:_NAMED])}: without it the run cannot be told from another"
            )
        return experiment


def _is_own(kind: type) -> bool:
    return f"{kind.__module__}:{kind.__qualname__}" in OWN


def _class_content(kind: type) -> dict[str, str]:
    """Names a class as `module:Class`; one from outside the package as `file.py:Class`, with the file's digest."""
    path = f"{kind.__module__}:{kind.__qualname__}"
    if path in OWN:
        return {"class": path}
    file = getattr(sys.modules[kind.__module__], "__file__", None) or ""
    if not Path(file).is_file():
        return {"class": path}
    is_local = str(Path(file).parent) in _config_folders
    return {"class": f"{file}:{kind.__qualname__}" if is_local else path, _DIGEST: _digest(file)}


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _digest(file: str | Path) -> str:
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()


def _detector_class(path: str, digest: Any) -> type[DetectorConfig]:
    """A class of the package, or one of a module that the user named: nothing else is imported."""
    module_path, _, name = path.rpartition(":")
    if path in OWN:
        own: type[DetectorConfig] = getattr(importlib.import_module(module_path), name)
        return own
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        kind: Any = vars(module).get(name) if file else None
        if not (isinstance(kind, type) and issubclass(kind, DetectorConfig)):
            continue
        if kind.__module__ != module.__name__ or not _is_named(path, module):
            continue
        if digest is not None and digest != _digest(str(file)):
            raise ValueError(
                f"{file} is not the file that the run was trained with: its content has changed. Give the earlier one "
                "with --detector_module=FILE"
            )
        return kind
    raise ValueError(
        f"the detector {path[:200]} is not part of asd_jax, and code that a run names is not run unasked. Look at it, "
        "then give --detector_module=FILE (train: the --config that it came from)"
    )


def _is_named(path: str, module: ModuleType) -> bool:
    """Whether a class's path means a module that is there; a file may have moved since, its digest tells."""
    module_path = path.rpartition(":")[0]
    file = str(getattr(module, "__file__", ""))
    if module_path.endswith(".py"):
        return file == module_path or Path(file).name == Path(module_path).name
    return module.__name__ == module_path or file in _named_files


def load_detector_module(path: Path) -> None:
    """Runs a Python file that the user names, so that a run may name the detectors in it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no Python file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no detector module {path}")
    if path.suffix != ".py":
        raise ValueError(
            f"{path} is no Python file: --detector_module takes the file of the detector's class"
        )
    _named_files.add(str(path.resolve()))
    _load_file(path)


_named_files: set[str] = set()


def load_config(path: Path) -> Experiment:
    """Runs `get_config()` of a configuration file, which may import modules that lie beside it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file does not return an experiment.
    """
    if not path.is_file():
        near = ", ".join(sorted(str(p) for p in path.parent.glob("*.py"))) or "none"
        raise FileNotFoundError(f"no configuration {path}; there: {near}")
    if path.suffix != ".py":
        beside = (
            f"; a run goes on by --workdir={path.parent} and its recipe"
            if path.suffix == ".json"
            else ""
        )
        raise ValueError(
            f"{path} is no recipe: --config takes a name such as demo, or a Python file{beside}"
        )
    module = _load_file(path)
    experiment = module.get_config() if hasattr(module, "get_config") else None
    if not isinstance(experiment, Experiment):
        raise ValueError(f"{path} has no get_config() that returns an asd_jax.config.Experiment")
    require_in_range(experiment, str(path))
    return experiment


_DIGEST = "class_sha256"
_config_folders: set[str] = set()
"""Folders whose modules can be imported because a configuration file lies there."""


def _load_file(path: Path) -> ModuleType:
    path = path.resolve()
    folder = str(path.parent)
    _config_folders.add(folder)
    if folder not in sys.path:
        # Behind everything that is installed: a neighbour of a configuration must not shadow a library.
        sys.path.append(folder)
    name = f"asd_jax_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, path
    assert spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def override(experiment: Settings, settings: Sequence[str]) -> Settings:
    """Applies `section.key=value` settings to an experiment, each value read as its key's type.

    Raises:
        ValueError: all that is wrong: a setting has no `=`, an unknown key (the nearest one is named), or a value of
            another type or out of its range.
    """
    faults: list[str] = []
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            faults.append(f"--set {setting}: write section.key=value")
            continue
        try:
            experiment = _replace(experiment, key.split("."), text, key)
        except ValueError as error:
            faults.append(str(error))
    if settings:
        wrong = faults_of(experiment)
        faults += [f"--set {', '.join(settings)}: {'; '.join(wrong)}"] if wrong else []
    if faults:
        raise ValueError("\n".join(faults))
    return experiment


def _replace(config: Any, path: Sequence[str], text: str, key: str) -> Any:
    types = field_types(type(config)) if dataclasses.is_dataclass(config) else {}
    if path[0] not in types:
        raise ValueError(f"--set {key}: unknown key{_nearest(key, config, path)}")
    value = getattr(config, path[0])
    if len(path) > 1:
        return dataclasses.replace(config, **{path[0]: _replace(value, path[1:], text, key)})
    if dataclasses.is_dataclass(value):
        raise ValueError(f"--set {key}: a group of keys; its keys are {', '.join(_keys(value))}")
    try:
        return dataclasses.replace(config, **{path[0]: parse_text(types[path[0]], text)})
    except ValueError as error:
        raise ValueError(f"--set {key}={text}: {error}") from error


def _nearest(key: str, config: Any, rest: Sequence[str]) -> str:
    prefix = key[: len(key) - len(".".join(rest))]
    known = [prefix + name for name in _keys(config)] if dataclasses.is_dataclass(config) else []
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
    return (
        f"; the nearest is {near[0]}" if near else f"; {prefix.rstrip('.')} has no keys of its own"
    )


def keys_named(config: Any, name: str) -> str | None:
    """The first setting whose dotted key ends with a name: `training.epochs` for `epochs`; None for none."""
    order = ("training", "data", "evaluation")
    found = [key for key in _keys(config) if key == name or key.endswith(f".{name}")]
    found.sort(
        key=lambda key: (
            key.count("."),
            next((i for i, g in enumerate(order) if key.startswith(g)), 9),
        )
    )
    return found[0] if found else None


def _keys(config: Any) -> list[str]:
    """All keys below a configuration, dotted."""
    found = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        below = _keys(value) if dataclasses.is_dataclass(value) else []
        found += [f"{field.name}.{key}" for key in below] or [field.name]
    return found
