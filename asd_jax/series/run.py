"""A run on a plain time series: train, score every time step, decide, write."""

import hashlib
import math
from pathlib import Path

import jax
import numpy as np
from absl import logging
from tqdm import tqdm

from asd_jax.detectors.base import TrainState
from asd_jax.series.arrays import Standardisation, read_labels, read_series, require_fit
from asd_jax.series.decisions import threshold_of
from asd_jax.series.detector import SeriesDetector
from asd_jax.series.experiment import SeriesExperiment
from asd_jax.series.results import SeriesResults, write_series_results
from asd_jax.series.windows import WindowNames, WindowSource, scoring_batches, training_windows
from asd_jax.training.loop import Training
from asd_jax.training.mesh import data_mesh, local_batch_size, replicated, split_batch

CONFIG_FILE = "config.json"


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
    raw, raw_test = (read_series(path, experiment.data) for path in (training_file, test_file))
    require_fit(training_file, test_file, (raw.shape, raw_test.shape), config.window)
    labels = None if labels_file is None else read_labels(labels_file, len(raw_test))
    if point_adjust and labels is None:
        raise ValueError("point adjustment looks at labels: give --labels=FILE")
    standardise = Standardisation.of(raw)
    training, test = standardise(raw), standardise(raw_test)
    detector, state = _train(experiment, workdir, training, training_file.name)
    if state is None:
        return None
    normal_energies = step_energies(experiment, detector, state, training, "training series")
    energies = step_energies(experiment, detector, state, test, "test series")
    if jax.process_index() > 0:
        return None
    threshold = threshold_of(normal_energies, energies, experiment.scoring)
    return write_series_results(
        workdir / "results", experiment, energies, threshold, labels, point_adjust
    )


def _train(
    experiment: SeriesExperiment, workdir: Path, series: np.ndarray, name: str
) -> tuple[SeriesDetector, TrainState | None]:
    """The detector and its trained state; none if the machine announced that it stops, and the training with it."""
    config = experiment.training
    source = WindowSource(series, experiment.detector.window, experiment.data.train_hop)
    steps_per_epoch = math.ceil(len(source) / config.batch_size)
    detector = SeriesDetector(experiment.detector, series.shape[1], steps_per_epoch)
    digest = hashlib.sha256(np.ascontiguousarray(series).tobytes()).hexdigest()
    configuration = experiment.training_json(digest)
    _write_config(workdir / CONFIG_FILE, configuration)
    batches = training_windows(
        source, local_batch_size(data_mesh(), config.batch_size), config.seed
    )
    names = WindowNames(name, source.starts, experiment.detector.window)
    logging.info("training on %d windows", len(source))
    training = Training(
        detector, batches, names, steps_per_epoch, config, configuration, workdir / "model"
    )
    state = training.run()
    finished = int(state.step) == config.epochs * steps_per_epoch
    return detector, state if finished else None


def _write_config(path: Path, configuration: str) -> None:
    """Writes what the training depends on, or checks that an earlier run's is the same."""
    if path.is_file():
        if path.read_text() != configuration:
            raise ValueError(
                f"{path} is of another configuration or other training data: "
                "choose another --workdir, or delete this one"
            )
    elif jax.process_index() == 0:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(configuration)
        unfinished.replace(path)


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
    batches = tqdm(
        scoring_batches(source, batch_size), title, -(-len(source) // batch_size), unit="batch"
    )
    logs = [np.asarray(report(state, split_batch(mesh, {"window": batch}))) for batch in batches]
    # Energies span hundreds of decades: float32 would round most of them to 0.
    energies = np.exp(np.concatenate(logs)[: len(source)].astype(np.float64))
    where = source.starts[:, None] + np.arange(window)
    return np.bincount(where.ravel(), energies.ravel()) / np.bincount(where.ravel())
