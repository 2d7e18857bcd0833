"""The calibration of a model's score on its training normals, kept beside the model.

With it recordings are scored and decided where the dataset is not at hand.
"""

import dataclasses
import json
import shutil
import tempfile
import time
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tfds_dcase
from absl import logging
from tfds_dcase import ArchiveError, ClipInfo
from tfds_dcase.provenance import read_provenance
from tfds_dcase_command.invocation import command

from asd_jax.config import DataConfig, Experiment
from asd_jax.data.classes import ClassMap
from asd_jax.evaluation.calibrated import calibrated_score
from asd_jax.evaluation.trained_model import TrainedModel
from asd_jax.inference.calibration_settings import (
    FOLDER,
    Settings,
    as_json,
    heard_settings,
    kept_name,
)
from asd_jax.json_files import read_json_object
from asd_jax.ranges import require_in_range
from asd_jax.scoring.calibrated_score import CalibratedScore
from asd_jax.scoring.settings import FittedScore, ScorerConfig
from asd_jax.typed_values import from_json

_SETTINGS_FILE = "settings.json"
_NORMALS_FILE = "normals.npz"
_UNFINISHED = ".unfinished_"
# Writing one takes seconds: an older one is what a killed program left.
_ABANDONED_SECONDS = 3600
_CHANNELS = {"near": "first", "far": "second", "mean": "mean"}


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What a model must know of its training normals to judge a recording.

    Attributes:
        score: the score, fitted and calibrated.
        channel: what is heard of recordings with several channels: `first`, `second`, or their `mean`.
        longest: samples of the longest training clip, by machine type.
    """

    score: CalibratedScore
    channel: str
    longest: Mapping[str, int]

    def sections(self, machine_type: str) -> list[str]:
        """Sections of a machine type that there are training normals of."""
        own = {clip.section for clip in self.score.normals if clip.machine_type == machine_type}
        return sorted(own)

    def usual_length(self, machine_type: str) -> int:
        """Samples of the usual training clip of a machine type: the median of the normals that it is calibrated on."""
        own = [clip.samples for clip in self.score.normals if clip.machine_type == machine_type]
        return round(float(np.median(own)))


def machine_types_of(class_map: ClassMap) -> set[str]:
    """Machine types that a model knows."""
    return {values[class_map.by.index("machine_type")] for values in class_map.classes}


def calibration_of(model: TrainedModel, experiment: Experiment) -> Calibration:
    """The calibration that an earlier call kept in the model's folder, or a new one, which is kept there.

    It is found again by everything that it depends on: what the checkpoint learnt, the detector's settings, the
    classes, which training clips were heard and how, the score and its settings. The dataset is opened for a new one
    only.

    Args:
        model: a trained model.
        experiment: the work directory's configuration.

    Raises:
        ValueError: there is none yet and the training clips are not at hand; it is damaged; the detector has no such
            score, or gives training normals no finite one.
    """
    settings = _settings(model, experiment)
    folder = calibration_folder(model, experiment)
    if folder.is_dir():
        return _read(folder, settings, model, experiment)
    try:
        calibration = _new(model, experiment)
    except ArchiveError as error:
        raise ValueError(
            f"model {model.name} is not calibrated for the score {settings['score']['name']} with these settings, and "
            f"the training clips that this takes are not at hand ({error}). Name their place with --data_dir, or run "
            f"{command('score')} where they are once and copy {model.directory / FOLDER} from there"
        ) from error
    try:
        _write(folder, settings, calibration)
    except OSError as error:
        logging.warning("the calibration is not kept in %s (%s): it is made anew", folder, error)
    return calibration


def calibration_folder(model: TrainedModel, experiment: Experiment) -> Path:
    """Where the calibration lies, or would lie."""
    settings = _settings(model, experiment)
    return model.directory / FOLDER / kept_name(settings["score"]["name"], settings)


def _settings(model: TrainedModel, experiment: Experiment) -> Settings:
    return heard_settings(experiment, model.detector) | as_json(
        {
            "learnt": {"step": int(model.state.step), "digest": model.digest()},
            "windows": dataclasses.asdict(model.policy),
            "classes": dataclasses.asdict(model.class_map),
        }
    )


def _new(model: TrainedModel, experiment: Experiment) -> Calibration:
    score = calibrated_score(model, experiment.evaluation, machine_types_of(model.class_map))
    longest: dict[str, int] = defaultdict(int)
    for clip in model.training:
        longest[clip.machine_type] = max(longest[clip.machine_type], clip.samples)
    wrong = ~np.isfinite(score.normal_scores)
    if wrong.any():
        first = score.normals[int(np.argmax(wrong))]
        raise ValueError(
            f"model {model.name} gives {np.count_nonzero(wrong)} of {len(wrong)} training normals no finite score "
            f"(first: {first.clip_id}): check the clips and the checkpoint"
        )
    return Calibration(score, _channel(experiment.data), dict(longest))


def _channel(data: DataConfig) -> str:
    builder = tfds_dcase.load(data.dataset, data.data_dir)
    if tfds_dcase.channels_of(builder) > 1:
        return _CHANNELS[data.channel]
    mixed = read_provenance(builder.data_path).options.get("channel", "mean")
    # "all" of recordings with one channel is that one.
    return "mean" if mixed == "all" else mixed


def _write(folder: Path, settings: Settings, calibration: Calibration) -> None:
    """Writes the folder as a whole or not at all."""
    score = calibration.score
    fitted = score.score
    content = {
        "settings": settings,
        "score": fitted
        if isinstance(fitted, str)
        else {"kind": fitted.kind, "config": dataclasses.asdict(fitted.config)},
        "channel": calibration.channel,
        "longest": calibration.longest,
    }
    arrays = {"normal_scores": np.asarray(score.normal_scores)}
    arrays |= {f"reference.{name}": values for name, values in score.reference.items()}
    for field in dataclasses.fields(ClipInfo):
        values = [getattr(clip, field.name) for clip in score.normals]
        arrays[f"clip.{field.name}"] = np.array(values)
    folder.parent.mkdir(exist_ok=True)
    _clear_abandoned(folder.parent)
    unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder.parent))
    try:
        (unfinished / _SETTINGS_FILE).write_text(json.dumps(content, indent=2) + "\n")
        np.savez(unfinished / _NORMALS_FILE, allow_pickle=False, **arrays)
        # A temporary folder is its owner's alone; a calibration is as readable as the model.
        unfinished.chmod(0o755)
        unfinished.rename(folder)
    except OSError:
        # Another program may have been first with the same calibration.
        if not folder.is_dir():
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _clear_abandoned(folder: Path) -> None:
    for path in folder.glob(f"{_UNFINISHED}*"):
        if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _read(
    folder: Path, settings: Settings, model: TrainedModel, experiment: Experiment
) -> Calibration:
    try:
        content = read_json_object(folder / _SETTINGS_FILE, "a calibration's settings")
        if content["settings"] != settings:
            raise ValueError("it is of other settings than its name says")
        with np.load(folder / _NORMALS_FILE, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        fields = [field.name for field in dataclasses.fields(ClipInfo)]
        columns = [arrays[f"clip.{name}"].tolist() for name in fields]
        normals = [ClipInfo(*row) for row in zip(*columns, strict=True)]
        normal_scores = arrays["normal_scores"]
        reference = {
            name.removeprefix("reference."): values
            for name, values in arrays.items()
            if name.startswith("reference.")
        }
        if any(len(values) != len(normals) for values in (normal_scores, *reference.values())):
            raise ValueError("its parts differ in length")
        if not all(np.isfinite(values).all() for values in (normal_scores, *reference.values())):
            raise ValueError("it holds numbers that are not finite")
        chosen = content["score"]
        if not isinstance(chosen, str):
            scorer = from_json(ScorerConfig, chosen["config"])
            require_in_range(scorer, "score.config")
            chosen = FittedScore(chosen["kind"], scorer)
        longest = content["longest"]
        if not isinstance(longest, dict) or not all(
            type(value) is int for value in longest.values()
        ):
            raise ValueError(f"longest is {longest!r}, must be whole numbers by machine type")
        if not isinstance(content["channel"], str):
            raise ValueError(f"channel is {content['channel']!r}, must be text")
        per = experiment.evaluation.threshold_per
        score = CalibratedScore(chosen, model.centers_of, per, model.published_covariances)
        score.restore(reference, normals, normal_scores)
        return Calibration(score, content["channel"], longest)
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"the calibration {folder} is damaged ({error}): delete this folder, and it is made anew where the "
            "training clips are"
        ) from error
