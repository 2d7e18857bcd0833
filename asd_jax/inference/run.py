"""From a trained work directory and paths to a line for each recording."""

import dataclasses
import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import jax
from tfds_dcase.bars import progress_bar
from tfds_dcase_command.invocation import command

from asd_jax.config import Experiment
from asd_jax.data.classes import ClassMap
from asd_jax.evaluation.trained_model import TrainedModel
from asd_jax.inference.audio_files import (
    UNKNOWN,
    AudioFile,
    Claim,
    Unsearched,
    claim_of,
    find_files,
    machine_type_of,
)
from asd_jax.inference.calibration import (
    calibration_folder,
    calibration_of,
    machine_types_of,
)
from asd_jax.inference.checkpoint_choice import with_chosen_checkpoint
from asd_jax.inference.decisions import DecisionRule, FileDecisions, FileScore
from asd_jax.inference.hearing import FileHearing, HeardFile, HeardWindows, UnheardFile
from asd_jax.inference.score_table import ScoreTable, output_file
from asd_jax.training.experiment import CLASS_MAP_FILE

HeardChannel = Literal["trained", "mean", "first", "second"]


@dataclasses.dataclass(frozen=True)
class FileScoring:
    """How files are scored; the defaults are those of an evaluation of the work directory.

    Attributes:
        machine_type: of all files; by default their paths tell it.
        section: of all files; by default their paths tell it, or else the best match is taken.
        windows: see `FileHearing`.
        channel: of recordings with several; "trained" hears the one that training heard.
        quantile: see `DecisionRule`; by default the configuration's.
        false_alarm_rate: see `DecisionRule`.
    """

    machine_type: str | None = None
    section: str | None = None
    windows: HeardWindows = "auto"
    channel: HeardChannel = "trained"
    quantile: float | None = None
    false_alarm_rate: float | None = None

    def __post_init__(self) -> None:
        if self.quantile is not None and self.false_alarm_rate is not None:
            raise ValueError("a quantile and a rate of false alarms exclude each other: give one")


def score_files(
    experiment: Experiment,
    workdir: Path,
    paths: Sequence[Path],
    scoring: FileScoring,
    output: Path | None = None,
) -> ScoreTable:
    """Scores recordings with the last checkpoint of the models that they need, and prints a line each.

    Models are calibrated on training normals the first time; from then on the dataset is not needed. Files that cannot
    be read, and folders that no recordings come from, are reported, and the rest goes on. Files of one model come
    together, in their order.

    Args:
        experiment: the work directory's configuration.
        workdir: of a finished training.
        paths: files, and folders that are searched.
        scoring: how.
        output: CSV file that keeps all digits.

    Returns:
        What was found, with the exit status.

    Raises:
        FileNotFoundError: no model is trained.
        ValueError: files' machine types are unknown, a model cannot be calibrated, or see `FileDecisions`.
    """
    found = find_files(paths)
    files = found.files
    results = _results(experiment, workdir, files, scoring)
    with output_file(output, files) as kept:
        table = ScoreTable(sys.stdout, kept, found.note())
        table.add([_unheard(one) for one in found.unsearched])
        with progress_bar(total=len(files), unit="file", desc="scoring") as bar:
            for done in results:
                table.add(done)
                bar.update(len(done))
    return table


def scores_of(
    experiment: Experiment, workdir: Path, paths: Sequence[Path], scoring: FileScoring
) -> list[FileScore | UnheardFile]:
    """As `score_files`, without printing: a result per file, and one for each folder that gave none.

    Raises:
        FileNotFoundError: no model is trained.
        ValueError: see `score_files`.
    """
    found = find_files(paths)
    results = _results(experiment, workdir, found.files, scoring)
    unheard: list[FileScore | UnheardFile] = [_unheard(one) for one in found.unsearched]
    return unheard + [one for done in results for one in done]


def _results(
    experiment: Experiment, workdir: Path, files: Sequence[Path], scoring: FileScoring
) -> Iterator[list[FileScore | UnheardFile]]:
    """Results, some at a time, once all models are ready: what is wrong with one of them shows at once."""
    typed = typed_files(files, workdir, scoring.machine_type)
    ready = [
        _ModelFiles(experiment, workdir / "models" / name, own, scoring)
        for name, own in typed.items()
    ]
    return itertools.chain.from_iterable(model.results() for model in ready)


def typed_files(
    files: Sequence[Path], workdir: Path, machine_type: str | None
) -> dict[str, list[tuple[Path, str]]]:
    """Files with their machine types, by the name of the model that judges them.

    Raises:
        FileNotFoundError: no model is trained.
        ValueError: the machine type is not known, or a path does not tell it.
    """
    return _machine_types(files, _class_maps(workdir), machine_type)


def calibrate(experiment: Experiment, workdir: Path, windows: HeardWindows = "auto") -> list[Path]:
    """Calibrates every model of a work directory, so that it can go where the dataset is not; gives their folders.

    Raises:
        FileNotFoundError: no model is trained.
        ValueError: see `calibration_of`; or a calibration could not be kept.
    """
    folders = [workdir / "models" / name for name in _class_maps(workdir)]
    for folder in folders:
        model = _trained(experiment, folder, windows)
        calibration_of(model, experiment)
        if not calibration_folder(model, experiment).is_dir():
            raise ValueError(
                f"the calibration of {folder} could not be kept there (the warning above says why): copy the work "
                "directory to a place that you may write to, and calibrate the copy"
            )
    return folders


def _class_maps(workdir: Path) -> dict[str, ClassMap]:
    """By the name of the model."""
    if jax.process_count() > 1:
        raise ValueError("files are scored by one process: start it without --multi_process")
    paths = sorted((workdir / "models").glob(f"*/{CLASS_MAP_FILE}"))
    if not paths:
        raise FileNotFoundError(f"{workdir} holds no trained model: train with {command('train')}")
    return {path.parent.name: ClassMap.load(path) for path in paths}


def _unheard(unsearched: Unsearched) -> UnheardFile:
    file = AudioFile(unsearched.path, "", Claim(UNKNOWN, "match"))
    return UnheardFile(file, unsearched.why.what, unsearched.why.cure)


def _machine_types(
    files: Sequence[Path], class_maps: Mapping[str, ClassMap], chosen: str | None
) -> dict[str, list[tuple[Path, str]]]:
    """Files with their machine types, by the model that knows these."""
    model_of = {
        machine_type: name
        for name, class_map in class_maps.items()
        for machine_type in machine_types_of(class_map)
    }
    known = sorted(model_of)
    if chosen is not None and chosen not in known:
        raise ValueError(f"machine type {chosen} is not known: choose one of {', '.join(known)}")
    only = chosen or (known[0] if len(known) == 1 else None)
    typed: dict[str, list[tuple[Path, str]]] = {name: [] for name in class_maps}
    untold = []
    for path in files:
        machine_type = only or machine_type_of(path, known)
        if machine_type is None:
            untold.append(path)
        else:
            typed[model_of[machine_type]].append((path, machine_type))
    if untold:
        raise ValueError(
            f"the paths of {len(untold)} of {len(files)} files (first: {untold[0]}) do not tell the machine type: "
            f"choose it with --machine_type, or put files into folders of its name; known are {', '.join(known)}"
        )
    return {name: own for name, own in typed.items() if own}


def _trained(experiment: Experiment, folder: Path, windows: HeardWindows) -> TrainedModel:
    chosen = None if windows == "auto" else windows
    last = TrainedModel(experiment, folder, [], windows=chosen, draw_learning_curve=False)
    return with_chosen_checkpoint(last, experiment)


class _ModelFiles:
    """A model that is ready for its files."""

    def __init__(
        self,
        experiment: Experiment,
        folder: Path,
        typed: Sequence[tuple[Path, str]],
        scoring: FileScoring,
    ):
        config = experiment.evaluation
        model = _trained(experiment, folder, scoring.windows)
        calibration = calibration_of(model, experiment)
        sections = {name: calibration.sections(name) for name in {name for _, name in typed}}
        self._files = [
            AudioFile(path, name, claim_of(path, sections[name], scoring.section))
            for path, name in typed
        ]
        channel = calibration.channel if scoring.channel == "trained" else scoring.channel
        self._hearing = FileHearing(model, calibration, config, sections, scoring.windows, channel)
        quantile = config.threshold_quantile if scoring.quantile is None else scoring.quantile
        rule = DecisionRule(quantile, scoring.false_alarm_rate)
        self._decisions = FileDecisions(
            calibration.score, self._hearing.report, sections, rule, self._files
        )

    def results(self) -> Iterator[list[FileScore | UnheardFile]]:
        """Results of all files in their order, some at a time."""
        for done in self._hearing(self._files):
            heard = [one for one in done if isinstance(one, HeardFile)]
            scores = iter(self._decisions(heard) if heard else [])
            yield [next(scores) if isinstance(one, HeardFile) else one for one in done]
