"""A trained model of a work directory, ready to report clips."""

import copy
import dataclasses
import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import jax
import numpy as np
from absl import logging
from tfds_dcase import ClipInfo
from tfds_dcase_command.invocation import command

from asd_jax.config import Experiment
from asd_jax.data.classes import ClassMap
from asd_jax.data.clips import ClipSource
from asd_jax.data.windows import EvaluationWindows, WindowPolicy
from asd_jax.detectors.base import Detector, TrainState, detector_of
from asd_jax.evaluation.plots import save_learning_curve
from asd_jax.interop.covariances import read_covariances
from asd_jax.scoring.clip_reports import Reports, report_clips
from asd_jax.training.checkpoints import Checkpoints
from asd_jax.training.clip_record import read_record
from asd_jax.training.experiment import CLASS_MAP_FILE, model_groups, training_clips
from asd_jax.training.logs import Row, read_log
from asd_jax.training.loop import CHECKPOINTS
from asd_jax.training.mesh import data_mesh
from asd_jax.training.recorded_data import recorded_clips
from asd_jax.training.settled import require_same_numbers


class TrainedModel:
    """A model with its last checkpoint. The prepared dataset is opened only when it is asked for.

    Args:
        experiment: the work directory's configuration.
        directory: of the model, `<workdir>/models/<name>`.
        test: clips that it will be asked about.
        windows: which windows of a clip are heard, in place of the detector's own setting.
        draw_learning_curve: whether to draw it beside the model, which needs a directory that can be written.

    Attributes:
        name: a machine type, or "all".
        directory: see above.
        class_map: which class is which.
        detector: what reports.
        state: of the checkpoint.
        policy: how clips become windows.
        published_covariances: that came with imported weights, for the scores that rest on them.

    Raises:
        FileNotFoundError: the model is not trained.
        ValueError: training did not see a machine type of the test clips.
    """

    name: str
    directory: Path
    class_map: ClassMap
    detector: Detector
    state: TrainState
    policy: WindowPolicy
    published_covariances: list[np.ndarray]

    def __init__(
        self,
        experiment: Experiment,
        directory: Path,
        test: Sequence[ClipInfo],
        windows: EvaluationWindows | None = None,
        draw_learning_curve: bool = True,
    ):
        self.name = name = directory.name
        self.directory = directory
        if not (directory / CLASS_MAP_FILE).is_file():
            raise FileNotFoundError(
                f"{directory} holds no trained model for {name}: train with {command('train')} first"
            )
        self._experiment = experiment
        self.class_map = ClassMap.load(directory / CLASS_MAP_FILE)
        for clip in test:
            # Before anything is heard: a machine type that training did not see has no threshold either.
            self.class_map.candidates(clip)
        # Reports do not depend on the schedule, whose length in steps only the training clips tell.
        epochs = experiment.training.epochs
        self.detector = detector_of(experiment.detector, len(self.class_map), 1, epochs)
        self.state = _state(experiment, self.detector, directory)
        self.published_covariances = read_covariances(directory)
        policy = experiment.detector.windows()
        self.policy = dataclasses.replace(policy, evaluation=windows or policy.evaluation)
        log = read_log(directory)
        # Imported weights come without a log.
        if jax.process_index() == 0 and log:
            if draw_learning_curve:
                save_learning_curve(directory / "learning_curve.png", log)
            _warn_if_unfinished(name, int(self.state.step), log[-1], epochs)

    def at(self, step: int) -> Self:
        """The same model with another of its kept checkpoints; what was compiled for it is used again."""
        other = copy.copy(self)
        other.state = _state(self._experiment, self.detector, self.directory, step)
        return other

    @functools.cached_property
    def training(self) -> list[ClipInfo]:
        """The normal clips that it was trained on, as far as their stages and machine types are asked for.

        Raises:
            tfds_dcase.ArchiveError: the dataset is not prepared.
            ValueError: the dataset lacks clips that the model was trained on, or has others in their places.
        """
        recorded = read_record(self.directory)
        if recorded is not None:
            found = recorded_clips(self._experiment, self.directory, recorded)
            class_map_file = self.directory / CLASS_MAP_FILE
            require_same_numbers(class_map_file, self.class_map, recorded, found)
            return found
        groups = model_groups(self._experiment, training_clips(self._experiment))
        if self.name not in groups:
            raise ValueError(
                f"the training clips are of {', '.join(groups)}, none of {self.name}: choose other --machine_types"
            )
        return groups[self.name]

    def digest(self) -> str:
        """SHA-256 of everything that was learnt: 64 hexadecimal digits."""
        content = hashlib.sha256()
        learnt = (self.state.params, self.state.statistics)
        for path, leaf in jax.tree_util.tree_leaves_with_path(learnt):
            values = np.ascontiguousarray(jax.device_get(leaf.addressable_data(0)))
            content.update(f"{jax.tree_util.keystr(path)} {values.dtype} {values.shape}".encode())
            content.update(values.tobytes())
        for covariance in self.published_covariances:
            content.update(np.ascontiguousarray(covariance).tobytes())
        return content.hexdigest()

    def report(self, clips: Sequence[ClipInfo], title: str) -> Reports:
        """Reports of some clips, `[clips, ...]` each."""
        unseen = sorted(
            {f"{c.machine_type} {c.section}" for c in clips if not self.class_map.has_section(c)}
        )
        if unseen:
            logging.warning(
                "not in training: %s. Their clips are compared with every class of their machine type; "
                "train with --mode=evaluation or data.train_stages=dev,eval to include them",
                ", ".join(unseen),
            )
        data, config = self._experiment.data, self._experiment.evaluation
        source = ClipSource(data.dataset, data.data_dir, clips, data.channel, check_content=True)
        return report_clips(
            self.detector, self.state, source, self.class_map, self.policy, config, title
        )

    def centers_of(self, clip: ClipInfo) -> np.ndarray | None:
        """Directions of the centres of the classes that a clip may have, `[centres, features]`; None without any."""
        centers = self.detector.class_centers(self.state)
        if centers is None:
            return None
        chosen = np.asarray(centers)[self.class_map.candidates(clip)]
        return chosen.reshape(-1, chosen.shape[-1])


def checkpoint_steps(directory: Path) -> list[int]:
    """Steps of the checkpoints that a model's folder keeps, in ascending order."""
    with Checkpoints(directory / CHECKPOINTS) as checkpoints:
        return checkpoints.steps()


def _state(
    experiment: Experiment, detector: Detector, directory: Path, step: int | None = None
) -> TrainState:
    shapes = jax.eval_shape(detector.init, jax.random.key(0))
    with Checkpoints(directory / CHECKPOINTS, asked=experiment.to_json()) as checkpoints:
        return checkpoints.restore(shapes, data_mesh(), step=step)


def _warn_if_unfinished(name: str, step: int, last_row: Row, epochs: int) -> None:
    epoch = step * last_row["epoch"] / last_row["step"]
    if epoch < epochs:
        logging.warning(
            "model %s stopped at epoch %.4g of %d: %s goes on with it",
            name,
            epoch,
            epochs,
            command("train"),
        )
