"""A run on a plain time series: train, score every time step, decide, write."""

import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tfds_dcase.bars import progress_bar

from asd_jax.detectors.base import TrainState
from asd_jax.json_files import read_json_object
from asd_jax.series.arrays import (
    Standardisation,
    constant_channels,
    read_labels,
    read_series,
    require_fit,
    require_moderate,
)
from asd_jax.series.decisions import threshold_of
from asd_jax.series.detector import SeriesDetector
from asd_jax.series.experiment import SeriesExperiment
from asd_jax.series.results import SeriesResults, write_series_results
from asd_jax.series.windows import WindowNames, WindowSource, scoring_batches, training_windows
from asd_jax.training.announcement import parameter_count, say
from asd_jax.training.lock import only_training
from asd_jax.training.loop import Training
from asd_jax.training.mesh import data_mesh, local_batch_size, replicated, split_batch
from asd_jax.training.work_directory import (
    CONFIG_FILE,
    SERIES_MODEL,
    is_begun,
    require_config,
    require_directory,
    require_same_settings,
    write_whole,
)

_DIGEST = "training_data"


def run(
    experiment: SeriesExperiment,
    workdir: Path,
    training_file: Path,
    test_file: Path,
    labels_file: Path | None = None,
    *,
    point_adjust: bool = False,
) -> SeriesResults | None:
    """Trains on one series, or goes on where an earlier run stopped, and scores every time step of another.

    The protocol is honest: the last epoch counts, and the threshold comes from the training energies.

    Args:
        experiment: what to train and how to score.
        workdir: gets the configuration, a folder `model` with checkpoints and logs, and a folder `results`.
        training_file: normal series `[time, channels]`, .npy or .csv.
        test_file: series to score, of the same channels.
        labels_file: 0 or 1 for each of its time steps; without labels there are no figures.
        point_adjust: write point-adjusted figures as well.

    Returns:
        What was found; None on every process but the first, which alone writes, and where the machine stopped the
        training before its end.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file's content is unfit, or the work directory is of another training.
    """
    config = experiment.detector
    require_directory(workdir)
    raw, raw_test = (read_series(path, experiment.data) for path in (training_file, test_file))
    require_fit(training_file, test_file, (raw.shape, raw_test.shape), config.window)
    labels = (
        None if labels_file is None else read_labels(labels_file, len(raw_test), experiment.data)
    )
    if point_adjust and labels is None:
        raise ValueError("point adjustment looks at labels: give --labels=FILE")
    require_moderate(training_file, raw)
    _say_constant(training_file, raw, test_file, raw_test)
    standardise = Standardisation.of(raw)
    training, test = standardise(raw), standardise(raw_test)
    detector, state = _train(experiment, workdir, training, training_file.name)
    if state is None:
        return None
    normal_energies = step_energies(experiment, detector, state, training, "training series")
    energies = step_energies(experiment, detector, state, test, "test series")
    if jax.process_index() > 0:
        return None
    if not np.isfinite(normal_energies).all():
        step = int(np.flatnonzero(~np.isfinite(normal_energies))[0])
        raise ValueError(
            f"{training_file}: the energy of time step {step} is not finite, so there is no threshold: look at the "
            "series there, or train with a lower detector.learning_rate"
        )
    threshold = threshold_of(normal_energies, energies, experiment.scoring)
    return write_series_results(
        workdir / "results", experiment, energies, threshold, labels, point_adjust
    )


def _say_constant(training: Path, raw: np.ndarray, test: Path, raw_test: np.ndarray) -> None:
    """Names channels that never change in training: their deviation is not divided by."""
    constant = np.flatnonzero(constant_channels(raw))
    if not len(constant):
        return
    moving = [
        i for i in constant if not constant_channels(np.r_[raw[:1, [i]], raw_test[:, [i]]])[0]
    ]
    moves = f"; {_listed(moving)} of {test} changes, and counts in its own units" if moving else ""
    say(f"constant         channel {_listed(constant)} of {training}{moves}")


def _listed(channels: Iterable[np.integer]) -> str:
    numbers = [str(channel) for channel in channels]
    shown = ", ".join(numbers[:8])
    return shown if len(numbers) <= 8 else f"{shown} and {len(numbers) - 8} more"


def _train(
    experiment: SeriesExperiment, workdir: Path, series: np.ndarray, name: str
) -> tuple[SeriesDetector, TrainState | None]:
    """The detector and its trained state; none if the machine announced that it stops, and the training with it."""
    config = experiment.training
    source = WindowSource(series, experiment.detector.window, experiment.data.train_hop)
    steps_per_epoch = math.ceil(len(source) / config.batch_size)
    detector = SeriesDetector(experiment.detector, series.shape[1], steps_per_epoch)
    batches = training_windows(
        source, local_batch_size(data_mesh(), config.batch_size), config.seed
    )
    digest = hashlib.sha256(np.ascontiguousarray(series).tobytes()).hexdigest()
    configuration = experiment.training_json(digest)
    names = WindowNames(name, source.starts, experiment.detector.window)
    training = Training(
        detector, batches, names, steps_per_epoch, config, configuration, workdir / SERIES_MODEL
    )
    window = jax.ShapeDtypeStruct(
        (config.batch_size, experiment.detector.window, series.shape[1]), np.float32
    )
    parameters = parameter_count(training.shapes({"window": window}).params)
    say(
        f"training series  {len(series):,} time steps, {series.shape[1]} channels, {len(source):,} windows\n"
        f"model            {parameters:,} parameters, {config.epochs * steps_per_epoch:,} steps"
    )
    with only_training(workdir):
        _write_config(workdir, configuration)
        state = training.run()
    finished = int(state.step) == config.epochs * steps_per_epoch
    return detector, state if finished else None


def _write_config(workdir: Path, configuration: str) -> None:
    """Writes what the training depends on, or checks that an earlier run's is the same."""
    if is_begun(workdir):
        path = require_config(workdir)
        now, earlier = json.loads(configuration), _settings(path)
        digest = earlier.pop(_DIGEST, None), now.pop(_DIGEST)
        require_same_settings(path, earlier, now)
        if digest[0] != digest[1]:
            raise ValueError(
                f"{workdir} learnt from another training series: choose another --version or --workdir for this one, "
                f"or give the earlier file to go on; to start this one again, move {workdir} away first"
            )
    elif jax.process_index() == 0:
        write_whole(workdir / CONFIG_FILE, configuration)


def _settings(path: Path) -> dict[str, Any]:
    try:
        return read_json_object(path, "a series' configuration")
    except ValueError as error:
        raise ValueError(
            f"{path} is damaged ({error}): put it back from a checkpoint's configuration/metadata, or choose another "
            "--version or --workdir"
        ) from error


def step_energies(
    experiment: SeriesExperiment,
    detector: SeriesDetector,
    state: TrainState,
    series: np.ndarray,
    title: str,
) -> np.ndarray:
    """Energy of every time step of a standardised series `[time, channels]`, `[time]` float64.

    The mean where windows overlap, as the last one does where the hop leaves a rest.
    """
    window = experiment.detector.window
    source = WindowSource(series, window, experiment.scoring.hop or window)
    mesh = data_mesh(jax.local_devices())
    batch_size = -(-experiment.scoring.batch_size // mesh.size) * mesh.size
    report = jax.jit(lambda state, batch: detector.report(state, batch)["log_energy"])
    state = jax.device_put(
        jax.tree.map(lambda leaf: leaf.addressable_data(0), state), replicated(mesh)
    )
    batches = progress_bar(
        scoring_batches(source, batch_size),
        desc=title,
        total=-(-len(source) // batch_size),
        unit="batch",
    )
    logs = [np.asarray(report(state, split_batch(mesh, {"window": batch}))) for batch in batches]
    # Energies span hundreds of decades: float32 would round most of them to 0.
    energies = np.exp(np.concatenate(logs)[: len(source)].astype(np.float64))
    where = source.starts[:, None] + np.arange(window)
    return np.bincount(where.ravel(), energies.ravel()) / np.bincount(where.ravel())
