"""From a trained work directory to the year's official result table."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import numpy as np
from absl import logging
from tfds_dcase import ClipInfo

from asd_jax.config import EvaluationConfig, Experiment
from asd_jax.data.classes import ClassMap
from asd_jax.data.clips import STAGE_OF_MODE, ClipSource, all_clips, select_clips
from asd_jax.detectors.base import Detector, TrainState
from asd_jax.evaluation.clip_scores import ClipScore
from asd_jax.evaluation.report import save_learning_curve
from asd_jax.evaluation.results import Results, write_results
from asd_jax.scoring.clip_reports import LOUDNESS, Reports, report_clips
from asd_jax.scoring.threshold import GammaThreshold
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

Thresholds = dict[tuple[str, str], float]


def evaluate(experiment: Experiment, workdir: Path) -> Results | None:
    """Scores the mode's test clips with the last checkpoint of every model and writes all results.

    The protocol is honest: the checkpoint and the score are fixed beforehand, and the decision threshold is fitted on
    training normals.

    Args:
        experiment: the work directory's configuration; data.mode and data.machine_types may differ from training.
        workdir: of a finished training; gets `results/<mode>` and the models' `learning_curve.png`.

    Returns:
        What was found; None on every process but the first, which alone writes.

    Raises:
        FileNotFoundError: a model is not trained.
        ValueError: there are no test clips, or a model was not trained on their machine type.
    """
    data = experiment.data
    clips = all_clips(data.dataset, data.data_dir)
    test = select_clips(clips, [STAGE_OF_MODE[data.mode]], "test", data.machine_types)
    scores: list[ClipScore] = []
    loudness: list[float] = []
    thresholds: Thresholds = {}
    for name, group in model_groups(experiment, test).items():
        model = _Model(experiment, workdir / "models" / name, name, group)
        thresholds |= model.thresholds(group)
        reports = model.report(group, f"{name}: test clips")
        scores += _clip_scores(group, reports[model.score], thresholds)
        loudness += reports[LOUDNESS].tolist()
    if jax.process_index() > 0:
        return None
    extra_columns = {"RMS AUC": loudness} if experiment.evaluation.loudness else None
    return write_results(
        workdir / "results" / data.mode, data.dataset, scores, thresholds, extra_columns
    )


class _Model:
    """A trained model of a work directory and what it needs to score its test clips."""

    def __init__(
        self, experiment: Experiment, directory: Path, name: str, test: Sequence[ClipInfo]
    ):
        if not (directory / CLASS_MAP_FILE).is_file():
            raise FileNotFoundError(
                f"{directory} holds no trained model for {name}: train with launch/train.py first"
            )
        self._experiment = experiment
        self._class_map = ClassMap.load(directory / CLASS_MAP_FILE)
        for clip in test:
            # Before anything is heard: a machine type that training did not see has no threshold either.
            self._class_map.candidates(clip)
        self._training = _group_of(experiment, name)
        self._detector = build_detector(experiment, self._class_map, len(self._training))
        self._state = _last_state(self._detector, directory)
        self.score = _chosen_score(experiment.evaluation, self._detector)
        if jax.process_index() == 0:
            log = read_log(directory)
            save_learning_curve(directory / "learning_curve.png", log)
            _warn_if_unfinished(name, int(self._state.step), log[-1], experiment.training.epochs)

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
        source = ClipSource(data.dataset, data.data_dir, clips)
        policy = self._experiment.detector.windows()
        return report_clips(
            self._detector, self._state, source, self._class_map, policy, config, title
        )

    def thresholds(self, test: Sequence[ClipInfo]) -> Thresholds:
        """Decision threshold of every section under test, fitted on training normals."""
        config = self._experiment.evaluation
        wanted = {(clip.machine_type, clip.section) for clip in test}
        types = {machine_type for machine_type, _ in wanted}
        normals = _spread(
            [c for c in self._training if c.machine_type in types], config.threshold_clips
        )
        scores = self.report(normals, "training normals, for the threshold")[self.score]
        by_group: Mapping[tuple[str, str], list[float]] = defaultdict(list)
        for clip, score in zip(normals, scores, strict=True):
            by_group[clip.machine_type, ""].append(float(score))
            by_group[clip.machine_type, clip.section].append(float(score))
        fitted: Thresholds = {}
        for machine_type, section in sorted(wanted):
            own = (
                by_group.get((machine_type, section)) if config.threshold_per == "section" else None
            )
            fit = GammaThreshold(config.threshold_quantile).fit(own or by_group[machine_type, ""])
            fitted[machine_type, section] = fit.threshold_
        return fitted


def _group_of(experiment: Experiment, name: str) -> list[ClipInfo]:
    groups = model_groups(experiment, training_clips(experiment))
    return groups[name]


def _last_state(detector: Detector, directory: Path) -> TrainState:
    with Checkpoints(directory / CHECKPOINTS) as checkpoints:
        return checkpoints.restore(jax.eval_shape(detector.init, jax.random.key(0)), data_mesh())


def _warn_if_unfinished(name: str, step: int, last_row: Row, epochs: int) -> None:
    epoch = step * last_row["epoch"] / last_row["step"]
    if epoch < epochs:
        logging.warning(
            "model %s stopped at epoch %.4g of %d: launch/train.py goes on with it",
            name,
            epoch,
            epochs,
        )


def _chosen_score(config: EvaluationConfig, detector: Detector) -> str:
    if config.score and config.score not in detector.score_names:
        raise ValueError(
            f"evaluation.score {config.score}: this detector has {', '.join(detector.score_names)}"
        )
    return config.score or detector.score_names[0]


def _spread(clips: Sequence[ClipInfo], per_section: int) -> list[ClipInfo]:
    """At most so many clips a section, evenly picked over its clips; 0 keeps all."""
    sections: dict[tuple[str, str], list[ClipInfo]] = defaultdict(list)
    for clip in clips:
        sections[clip.machine_type, clip.section].append(clip)
    kept = []
    for group in sections.values():
        count = min(per_section, len(group)) if per_section else len(group)
        kept += [group[i] for i in np.linspace(0, len(group) - 1, count).round().astype(int)]
    return kept


def _clip_scores(
    clips: Sequence[ClipInfo], scores: np.ndarray, thresholds: Thresholds
) -> list[ClipScore]:
    return [
        ClipScore(
            machine_type=clip.machine_type,
            section=clip.section,
            domain=clip.domain,
            file_name=clip.file_name,
            score=float(score),
            decision=int(score > thresholds[clip.machine_type, clip.section]),
            label=clip.label,
        )
        for clip, score in zip(clips, scores, strict=True)
    ]
