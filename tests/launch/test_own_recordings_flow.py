"""Own recordings from their folder to scores and decisions, by the commands that a user types."""

import csv
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import tfds_dcase

from asd_jax.config import Experiment, override
from asd_jax.evaluation.comparison import read_system
from asd_jax.evaluation.evaluate import evaluate
from asd_jax.evaluation.truth import truths_of_dataset
from asd_jax.training.experiment import load_experiment, train

PATIENCE_SECONDS = 120
TRAIN = tuple(f"train/{n}.wav" for n in range(6))
TESTS = {
    "labelled": ("test/normal/0.flac", "test/normal/1.flac", "test/anomaly/0.flac"),
    "only normal": ("test/normal/0.flac", "test/normal/1.flac"),
    "unlabelled": ("test/0.flac", "test/new/0.flac"),
}
MACHINES = {"drill_press": 300.0, "fan": 1200.0}


def record(folder: Path, machine_type: str, names: tuple[str, ...], hertz: float) -> None:
    """Half a second and more of a humming machine, in stereo at 44.1 kHz; anomalies rattle."""
    for seed, name in enumerate(names):
        noise = np.random.default_rng(seed)
        times = np.arange(24000 + 999 * seed) / 44100
        hum = 0.3 * np.sin(2 * np.pi * hertz * times) + 0.02 * noise.standard_normal(len(times))
        if "anomaly" in name:
            hum += 0.3 * (times % 0.05 < 0.005) * noise.standard_normal(len(times))
        path = folder / machine_type / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.stack([hum, 0.5 * hum], axis=1), 44100)


def succeed(process: Any) -> str:
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, errors
    return output


def record_all(own: Path, kind: str) -> None:
    shutil.rmtree(own, ignore_errors=True)
    for machine_type, hertz in MACHINES.items():
        record(own, machine_type, (*TRAIN, *TESTS[kind]), hertz)


def check_scores(results: Path, kind: str) -> None:
    """A finite score and a decision a test clip; a table where there are labels."""
    for machine_type in MACHINES:
        wanted = {f"{machine_type}/{name}" for name in TESTS[kind]}
        for file in ("anomaly_score", "decision_result"):
            found = dict(read_rows(results, f"{file}_{machine_type}_section_00*.csv"))
            assert found.keys() == wanted
            assert all(np.isfinite(float(value)) for value in found.values())
    assert (results / "result.csv").is_file() == (kind != "unlabelled")


def test_three_commands_give_every_recording_a_score_and_a_decision(
    command: Any, tiny: Experiment, config_file: Any, tmp_path: Path
) -> None:
    """Equal base names in several folders do not meet."""
    record_all(tmp_path / "own", "labelled")
    prepare = ("prepare.py", "--dataset=folder", f"--archives={tmp_path / 'own'}")
    assert "recordings were resampled to 16 kHz" in succeed(command(*prepare, cwd=tmp_path))
    config = config_file(override(tiny, ["training.epochs=1"]))
    chosen = ("--dataset=folder", "--data_dir=datasets", "--version=own")
    succeed(command("train.py", f"--config={config}", *chosen, cwd=tmp_path))
    table = succeed(command("evaluate.py", "--version=own", cwd=tmp_path))
    assert re.search(r"drill_press +section_00 +\d+\.\d\d +\d+\.\d\d", table)
    check_scores(tmp_path / "runs" / "own" / "results" / "development", "labelled")


def test_recordings_without_labels_or_anomalies_are_scored(
    tiny: Experiment, tmp_path: Path
) -> None:
    """A trained model goes on to recordings of which less is known."""
    data = ["data.dataset=folder", f"data.data_dir={tmp_path}", "training.epochs=1"]
    experiment = override(tiny, data)
    for kind in TESTS:
        record_all(tmp_path / "own", kind)
        tfds_dcase.prepare("folder", tmp_path / "own", tmp_path, rebuild=True)
        if kind == "labelled":
            train(experiment, tmp_path / "run")
        results = evaluate(load_experiment(tmp_path / "run"), tmp_path / "run")
        assert results is not None
        assert ("labels of all 4 test clips are unknown" in results.text) == (kind == "unlabelled")
        check_scores(results.directory, kind)
        if kind == "labelled":
            check_comparison(results.directory, tmp_path)


def check_comparison(results: Path, tmp_path: Path) -> None:
    """Results that were carried away from their run are compared with the labels of the dataset."""
    away = shutil.copytree(results, tmp_path / "away")
    truths = truths_of_dataset("folder", str(tmp_path))
    here, _ = read_system("here", [results], "development", None)
    there, year = read_system("there", [away], "development", "folder", truths)
    assert (year, set(there.runs[0])) == ("folder", set(here.runs[0]))
    with pytest.raises(ValueError, match=r"labels of own recordings .* --data_dir=DIR"):
        read_system("there", [away], "development", "folder")
    with pytest.raises(ValueError, match="--dataset=folder --data_dir=DIR"):
        read_system("there", [away], "development", None)


def read_rows(results: Path, pattern: str) -> list[list[str]]:
    [path] = results.glob(pattern)
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))
