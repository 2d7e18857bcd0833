"""A trained model of a work directory, ready to report clips."""

from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
from absl import logging
from tfds_dcase import ClipInfo

from asd_jax.config import Experiment
from asd_jax.data.classes import ClassMap
from asd_jax.data.clips import ClipSource
from asd_jax.detectors.base import Detector, TrainState
from asd_jax.evaluation.plots import save_learning_curve
from asd_jax.scoring.clip_reports import Reports, report_clips
from asd_jax.training.checkpoints import Checkpoints
from asd_jax.training.experiment import (
    CLASS_MAP_FILE,
    build_detector,
    model_groups,
    training_clips,
)
from asd_jax.training.logs import Row, read_log
from asd_jax.training.loop import CHECKPOINTS
from asd_jax.training.mesh import data_mesh


class TrainedModel:
    """A model with its last checkpoint, or another one.

    Args:
        experiment: the work directory's configuration.
        directory: of the model, `<workdir>/models/<name>`.
        test: clips that it will be asked about.
        step: of the checkpoint to take; the last where None.

    Attributes:
        name: a machine type, or "all".
        detector: what reports.
        training: the normal clips that it was trained on.

    Raises:
        FileNotFoundError: the model is not trained.
        ValueError: training did not see a machine type of the test clips.
    """

    name: str
    detector: Detector
    training: list[ClipInfo]

    def __init__(
        self,
        experiment: Experiment,
        directory: Path,
        test: Sequence[ClipInfo],
        step: int | None = None,
    ):
        self.name = name = directory.name
        if not (directory / CLASS_MAP_FILE).is_file():
            raise FileNotFoundError(
                f"{directory} holds no trained model for {name}: train with launch/train.py first"
            )
        self._experiment = experiment
        self._class_map = ClassMap.load(directory / CLASS_MAP_FILE)
        for clip in test:
            # Before anything is heard: a machine type that training did not see has no threshold either.
            self._class_map.candidates(clip)
        self.training = model_groups(experiment, training_clips(experiment))[name]
        self.detector = build_detector(experiment, self._class_map, len(self.training))
        self._state = _state(self.detector, directory, step)
        log = read_log(directory)
        # Imported weights come without a log.
        if jax.process_index() == 0 and log:
            save_learning_curve(directory / "learning_curve.png", log)
            if step is None:
                _warn_if_unfinished(
                    name, int(self._state.step), log[-1], experiment.training.epochs
                )

    def report(self, clips: Sequence[ClipInfo], title: str) -> Reports:
        """Reports of some clips, `[clips, ...]` each."""
        unseen = sorted(
            {f"{c.machine_type} {c.section}" for c in clips if not self._class_map.has_section(c)}
        )
        if unseen:
            logging.warning(
                "not in training: %s. Their clips are compared with every class of their machine type; "
                "train with --mode=evaluation or data.train_stages=dev,eval to include them",
                ", ".join(unseen),
            )
        data, config = self._experiment.data, self._experiment.evaluation
        source = ClipSource(data.dataset, data.data_dir, clips, data.channel)
        policy = self._experiment.detector.windows()
        return report_clips(
            self.detector, self._state, source, self._class_map, policy, config, title
        )

    def centers_of(self, clip: ClipInfo) -> np.ndarray | None:
        """Directions of the centres of the classes that a clip may have, `[centres, features]`; None without any."""
        centers = self.detector.class_centers(self._state)
        if centers is None:
            return None
        chosen = np.asarray(centers)[self._class_map.candidates(clip)]
        return chosen.reshape(-1, chosen.shape[-1])


def _state(detector: Detector, directory: Path, step: int | None) -> TrainState:
    shapes = jax.eval_shape(detector.init, jax.random.key(0))
    with Checkpoints(directory / CHECKPOINTS) as checkpoints:
        return checkpoints.restore(shapes, data_mesh(), step=step)


def _warn_if_unfinished(name: str, step: int, last_row: Row, epochs: int) -> None:
    epoch = step * last_row["epoch"] / last_row["step"]
    if epoch < epochs:
        logging.warning(
            "model %s stopped at epoch %.4g of %d: launch/train.py goes on with it",
            name,
            epoch,
            epochs,
        )
