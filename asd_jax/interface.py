"""The Python interface: train, evaluate, and a trained run that scores, embeds and explains recordings.

import asd_jax

asd_jax.train("demo", "runs/first", ["data.data_dir=datasets/simulated"])
print(asd_jax.evaluate("runs/first").text)
run = asd_jax.load("runs/first")
for result in run.score(["new.wav", "recordings"]):
    print(result)
"""

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile
from tfds_dcase.layouts import SAMPLE_RATE
from tfds_dcase.reading import Unreadable
from tfds_dcase_command.terminal import user_path

from asd_jax.config import Experiment, load_config, override
from asd_jax.evaluation import evaluate as evaluation
from asd_jax.evaluation.evaluate import ProtocolName
from asd_jax.evaluation.results import Results
from asd_jax.evaluation.trained_model import TrainedModel
from asd_jax.inference.audio_files import AudioFile, claim_of, find_files, read_recording
from asd_jax.inference.calibration import Calibration, calibration_of
from asd_jax.inference.checkpoint_choice import with_chosen_checkpoint
from asd_jax.inference.decisions import FileScore
from asd_jax.inference.hearing import UnheardFile
from asd_jax.inference.run import FileScoring, scores_of, typed_files
from asd_jax.recipes import recipe_path
from asd_jax.report.heard_model import ClipExplanation, HeardModel, LooseRecordings
from asd_jax.scoring.clip_reports import WindowReporter, pool_windows
from asd_jax.training import experiment as training

Recordings = Sequence[str | Path | np.ndarray]
"""Paths, or waveforms of 16 kHz: float in [-1, 1] or int16, `[samples]` or `[samples, channels]`."""


def train(
    recipe: str | Path | Experiment,
    workdir: str | Path,
    settings: Sequence[str] = (),
    extend: bool = False,
) -> "Run":
    """Trains a recipe, or goes on where an earlier call stopped.

    Args:
        recipe: its name (`asd recipes` lists them), the path of its file, or an experiment.
        workdir: gets the configuration, checkpoints and logs.
        settings: changes such as `training.epochs=10`.
        extend: go on past the epochs of a finished training.

    Raises:
        FileNotFoundError: there is no such recipe.
        ValueError: a setting is wrong, the data are not as asked for, or the folder is of another training.
        tfds_dcase.ArchiveError: the dataset is not prepared.
    """
    experiment = recipe if isinstance(recipe, Experiment) else load_config(recipe_path(str(recipe)))
    folder = user_path(str(workdir))
    training.train(override(experiment, list(settings)), folder, extend)
    return load(folder)


def evaluate(
    workdir: str | Path,
    protocol: ProtocolName = "honest",
    settings: Sequence[str] = (),
    output: str | Path | None = None,
) -> Results | None:
    """Scores the test clips with a trained run and writes the year's official tables.

    Args:
        workdir: of a training.
        protocol: "honest", or "oracle" to compare with papers that choose by test labels.
        settings: changes such as `evaluation.score=knn`.
        output: folder for the results, in place of one in the work directory.

    Returns:
        The table and where everything is; None in all but the first of several processes.

    Raises:
        FileNotFoundError: nothing is trained there.
        ValueError: a setting is wrong, or the run and the data do not fit together.
    """
    folder = user_path(str(workdir))
    experiment = override(training.load_experiment(folder), list(settings))
    place = user_path(str(output)) if output is not None else None
    return evaluation.evaluate(experiment, folder, protocol, place)


def load(workdir: str | Path, settings: Sequence[str] = ()) -> "Run":
    """A trained run.

    Args:
        workdir: of a training, or of imported weights.
        settings: changes such as `evaluation.score=knn`.

    Raises:
        FileNotFoundError: it holds no configuration.
        ValueError: a setting is wrong, or the configuration is damaged.
    """
    folder = user_path(str(workdir))
    return Run(folder, override(training.load_experiment(folder), list(settings)))


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained run.

    Attributes:
        workdir: its folder.
        experiment: its configuration.
    """

    workdir: Path
    experiment: Experiment

    def score(
        self, recordings: Recordings, scoring: FileScoring | None = None
    ) -> list[FileScore | UnheardFile]:
        """Scores and decides recordings, as `asd score` does.

        Args:
            recordings: paths, or waveforms; these are called `waveform_0.wav` and so on.
            scoring: machine type, section, windows, channel and rule where the defaults are not meant.

        Returns:
            A result per recording in the order of the models that judge them, those of one model in the order given.

        Raises:
            FileNotFoundError: no model is trained, or a path does not exist.
            ValueError: see `asd_jax.inference.run.score_files`.
        """
        with _as_paths(recordings) as paths:
            return scores_of(self.experiment, self.workdir, paths, scoring or FileScoring())

    def embed(self, recordings: Recordings, machine_type: str | None = None) -> np.ndarray:
        """The detector's embeddings of recordings, the mean over each one's windows.

        Args:
            recordings: paths of files, or waveforms.
            machine_type: of all of them; by default their paths tell it.

        Returns:
            float32 `[recordings, features]`; a path that is given twice has one row.

        Raises:
            ValueError: the detector has no embedding, or a recording cannot be read or is passed over.
        """
        found: dict[Path, np.ndarray] = {}
        with _as_paths(recordings) as paths:
            files = _all_files(paths)
            for model, loose in self._loose(files, machine_type):
                reporter = WindowReporter(
                    model.detector, model.state, self.experiment.evaluation.batch_size
                )
                for i, file in enumerate(loose.files):
                    found[file.path] = _embedding(model, reporter, loose, i)
            return np.stack([found[path] for path in files])

    def explain(
        self, recordings: Recordings, machine_type: str | None = None
    ) -> list[ClipExplanation]:
        """Where in time and frequency the score comes from; needs the prepared dataset that the run was trained on.

        Args:
            recordings: paths of files, or waveforms.
            machine_type: of all of them; by default their paths tell it.

        Returns:
            Log-mel spectrogram and relevance of each recording; relevance is None of a detector that has none.

        Raises:
            ValueError: a recording cannot be read.
            tfds_dcase.ArchiveError: the dataset is not prepared.
        """
        found: dict[Path, ClipExplanation] = {}
        with _as_paths(recordings) as paths:
            files = _all_files(paths)
            for model, loose in self._loose(files, machine_type):
                heard = HeardModel(self.experiment, model.directory, [])
                explained = heard.explain(loose.clips, loose)
                found |= {file.path: one for file, one in zip(loose.files, explained, strict=True)}
            return [found[path] for path in files]

    def _model(self, name: str) -> TrainedModel:
        folder = self.workdir / training.MODELS / name
        last = TrainedModel(self.experiment, folder, [], draw_learning_curve=False)
        return with_chosen_checkpoint(last, self.experiment)

    def _loose(
        self, files: Sequence[Path], machine_type: str | None
    ) -> Iterator[tuple[TrainedModel, LooseRecordings]]:
        """Each model with the recordings that it judges, in the channel that its training used."""
        for name, typed in typed_files(files, self.workdir, machine_type).items():
            model = self._model(name)
            yield model, _read(typed, calibration_of(model, self.experiment))


def _read(typed: Sequence[tuple[Path, str]], calibration: Calibration) -> LooseRecordings:
    files, waveforms = [], []
    for path, name in typed:
        waveform = read_recording(path, calibration.channel)
        if isinstance(waveform, Unreadable):
            raise ValueError(f"{path}: {waveform.what}. {waveform.cure}")
        files.append(AudioFile(path, name, claim_of(path, calibration.sections(name))))
        waveforms.append(waveform)
    return LooseRecordings(files, waveforms)


def _all_files(paths: Sequence[Path]) -> list[Path]:
    """Every recording that the paths lead to; what would be passed over is an error, since rows have no names."""
    found = find_files(paths)
    if found.unsearched:
        path, why = found.unsearched[0]
        raise ValueError(f"{path}: {why.what}. {why.cure}")
    if found.note():
        raise ValueError(f"some files are {found.note()}: name the recordings themselves")
    return found.files


def _embedding(
    model: TrainedModel, reporter: WindowReporter, loose: LooseRecordings, i: int
) -> np.ndarray:
    policy, waveform = model.policy, loose[i]
    starts = policy.starts(len(waveform))
    size = reporter.batch_size
    candidates = np.tile(model.class_map.candidates(loose.clips[i]), (size, 1))
    values: list[np.ndarray] = []
    for first in range(0, len(starts), size):
        part = starts[first : first + size]
        windows = np.zeros((size, policy.samples), np.int16)
        windows[: len(part)] = [policy.cut(waveform, start) for start in part]
        reports = reporter(windows, candidates)
        if "embedding" not in reports:
            raise ValueError(
                f"this detector has no embedding; it reports {', '.join(sorted(reports))}"
            )
        values += list(np.asarray(reports["embedding"])[: len(part)])
    return np.asarray(pool_windows(np.stack(values), "mean"), np.float32)


@contextlib.contextmanager
def _as_paths(recordings: Recordings) -> Iterator[list[Path]]:
    """Paths as they are; waveforms as files for as long as they are needed."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for i, one in enumerate(recordings):
            if not isinstance(one, np.ndarray):
                paths.append(user_path(str(one)))
                continue
            if one.dtype != np.int16 and not np.issubdtype(one.dtype, np.floating):
                raise ValueError(f"waveform {i} is {one.dtype}: give float in [-1, 1], or int16")
            path = Path(folder) / f"waveform_{i}.wav"
            kind = "PCM_16" if one.dtype == np.int16 else "FLOAT"
            soundfile.write(path, one, SAMPLE_RATE, subtype=kind)
            paths.append(path)
        yield paths
