"""A whole run on a small series: what it finds, resumption, what it writes."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from asd_jax.config import TrainingConfig
from asd_jax.series.experiment import (
    SeriesDetectorConfig,
    SeriesExperiment,
    SeriesScoringConfig,
    load_series_config,
)
from asd_jax.series.results import SeriesResults
from asd_jax.series.run import run
from asd_jax.series.windows import WindowSource, training_windows
from asd_jax.training.logs import read_log

EXPERIMENT = SeriesExperiment(
    name="waves",
    detector=SeriesDetectorConfig(
        # After so short a training the associations say little: the published 50 would follow chance.
        temperature=0.1,
        width=16,
        heads=2,
        feed_forward=16,
        layers=2,
        window=20,
        learning_rate=3e-3,
    ),
    training=TrainingConfig(epochs=2, batch_size=16, log_every=5, checkpoint_every=10),
    scoring=SeriesScoringConfig(anomaly_ratio=2.0, batch_size=8),
)
ANOMALIES = (slice(60, 64), slice(150, 155))
FILES = ("train.npy", "test.npy", "labels.npy")


def with_epochs(epochs: int) -> SeriesExperiment:
    return dataclasses.replace(
        EXPERIMENT, training=dataclasses.replace(EXPERIMENT.training, epochs=epochs)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two waves with noise; the test series has two bursts, labelled with two quiet steps on either side."""
    folder = tmp_path_factory.mktemp("series")
    rng = np.random.default_rng(0)

    def waves(steps: int, phase: float) -> np.ndarray:
        time = np.arange(steps)[:, None] + phase
        clean = np.sin(time * [0.3, 0.7] + [0.0, 1.0])
        return 5 + 2 * clean + rng.normal(0, 0.1, (steps, 2))

    test, labels = waves(213, 17.0), np.zeros(213, int)
    for burst in ANOMALIES:
        test[burst] += rng.normal(0, 12, test[burst].shape)
        labels[burst.start - 2 : burst.stop + 2] = 1
    for name, values in zip(FILES, (waves(300, 0.0), test, labels), strict=True):
        np.save(folder / name, values)
    return folder


def start(folder: Path, workdir: Path, experiment: SeriesExperiment, **options) -> SeriesResults:
    training, test, labels = (folder / name for name in FILES)
    results = run(experiment, workdir, training, test, labels, **options)
    assert results is not None
    return results


@pytest.fixture(scope="module")
def workdir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def finished(folder: Path, workdir: Path) -> SeriesResults:
    return start(folder, workdir, EXPERIMENT, point_adjust=True)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_step_has_an_energy_and_bursts_have_the_highest(finished: SeriesResults) -> None:
    """Also the steps behind the last whole window are scored."""
    assert finished.energies.shape == (213,)
    assert np.all(np.isfinite(finished.energies))
    assert np.all(finished.energies >= 0)
    for burst in ANOMALIES:
        assert finished.energies[burst].max() > finished.threshold
        around = finished.energies[burst.start - 20 : burst.stop + 20]
        assert 20 <= int(np.argmax(around)) < 20 + burst.stop - burst.start


def test_point_adjusted_figures_are_marked_wherever_they_stand(
    finished: SeriesResults, workdir: Path
) -> None:
    adjusted, plain = finished.figures["point_adjusted"], finished.figures["every_step"]
    assert adjusted.recall == 1
    assert plain.recall < 1
    assert adjusted.f1 > plain.f1
    [row] = rows(workdir / "results" / "result_point_adjusted.csv")
    assert set(row) == {"threshold"} | {
        f"{name}_point_adjusted" for name in ("accuracy", "precision", "recall", "f1")
    }
    assert "POINT-ADJUSTED" in (workdir / "results" / "table_point_adjusted.txt").read_text()
    [row] = rows(workdir / "results" / "result.csv")
    assert float(row["f1"]) == plain.f1
    assert "ADJUSTED" not in (workdir / "results" / "table.txt").read_text()


def test_files_hold_every_energy_and_decision(finished: SeriesResults, workdir: Path) -> None:
    written = rows(workdir / "results" / "energies.csv")
    energies = np.array([float(row["energy"]) for row in written])
    np.testing.assert_array_equal(energies, finished.energies)
    decisions = np.array([int(row["decision"]) for row in written])
    np.testing.assert_array_equal(decisions, finished.energies > finished.threshold)
    assert sum(int(row["label"]) for row in written) == 17


def test_a_finished_run_scores_again_without_training(
    finished: SeriesResults, folder: Path, workdir: Path
) -> None:
    """Scoring settings may change afterwards; without point adjustment its old files go."""
    steps = [row["step"] for row in read_log(workdir / "model")]
    other = dataclasses.replace(
        EXPERIMENT, scoring=dataclasses.replace(EXPERIMENT.scoring, thuml_threshold=True)
    )
    again = start(folder, workdir, other)
    np.testing.assert_array_equal(again.energies, finished.energies)
    assert again.threshold > finished.threshold
    assert "training and test energies" in again.text
    assert not list((workdir / "results").glob("*point_adjusted*"))
    assert [row["step"] for row in read_log(workdir / "model")] == steps


def test_a_stopped_training_goes_on_to_the_same_end(
    finished: SeriesResults, folder: Path, workdir: Path, tmp_path: Path
) -> None:
    """Without its last checkpoint a training resumes from the one before and gives the same energies."""
    start(folder, tmp_path, EXPERIMENT)
    checkpoints = sorted(
        (path for path in (tmp_path / "model" / "checkpoints").iterdir()), key=lambda p: int(p.name)
    )
    assert len(checkpoints) == 2
    checkpoints[-1].rename(tmp_path / "lost")
    resumed = start(folder, tmp_path, EXPERIMENT)
    np.testing.assert_array_equal(resumed.energies, finished.energies)


def test_a_work_directory_of_another_training_is_refused(
    finished: SeriesResults, folder: Path, workdir: Path
) -> None:
    """Neither other settings nor other training data may silently mix with earlier checkpoints."""
    with pytest.raises(ValueError, match=r"another experiment \(training\.epochs was 2, is 3\)"):
        start(folder, workdir, with_epochs(3))
    training, test, _ = (folder / name for name in FILES)
    with pytest.raises(ValueError, match=r"learnt from another training series: .*--version"):
        run(EXPERIMENT, workdir, test, training, None)


def test_without_labels_there_are_no_figures(folder: Path, workdir: Path) -> None:
    training, test, _ = (folder / name for name in FILES)
    with pytest.raises(ValueError, match="point adjustment looks at labels"):
        run(EXPERIMENT, workdir, training, test, None, point_adjust=True)
    results = run(EXPERIMENT, workdir, training, test, None)
    assert results is not None
    assert results.figures == {}
    assert not (workdir / "results" / "result.csv").exists()


def test_training_windows_resume_where_they_stopped() -> None:
    """An iterator's state gives the same windows again; one epoch has every window once."""
    source = WindowSource(np.arange(40.0, dtype=np.float32)[:, None], 10, 1)
    batches = iter(training_windows(source, 4, seed=3))
    first = [next(batches) for _ in range(3)]
    state = batches.get_state()
    rest = [next(batches)["clip"] for _ in range(4)]
    batches.set_state(state)
    again = [next(batches)["clip"] for _ in range(4)]
    np.testing.assert_array_equal(rest, again)
    heard = np.concatenate([batch["clip"] for batch in first] + rest)
    assert len(set(heard.tolist())) == 28
    for batch in first:
        np.testing.assert_array_equal(batch["window"][:, 0, 0], source.starts[batch["clip"]])
    batches.close()


def test_the_shipped_configuration_loads_and_takes_settings() -> None:
    path = Path(__file__).parents[2] / "configs" / "anomaly_transformer_series.py"
    experiment = load_series_config(path, ["detector.width=64", "scoring.anomaly_ratio=1"])
    assert (experiment.detector.width, experiment.scoring.anomaly_ratio) == (64, 1.0)
    assert experiment.detector.halve_rate
    with pytest.raises(ValueError, match=r"unknown key; the nearest is detector\.width"):
        load_series_config(path, ["detector.widht=64"])
    with pytest.raises(ValueError, match="returns a SeriesExperiment"):
        load_series_config(path.with_name("demo.py"))
