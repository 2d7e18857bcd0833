"""The same training on eight devices, and on two processes."""

import csv
import json
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from asd_jax.config import Experiment, override
from asd_jax.evaluation.evaluate import evaluate
from asd_jax.training.experiment import load_experiment, train
from asd_jax.training.logs import read_log

EIGHT_DEVICES = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
PATIENCE_SECONDS = 120


@pytest.fixture
def experiment(tiny: Experiment, prepared: Any) -> Experiment:
    return override(tiny, [f"data.data_dir={prepared('dcase2020', ['fan', 'valve'])}"])


def finish(*processes: Any) -> list[str]:
    """Waits for all of them and gives what they printed."""
    ended = [process.communicate(timeout=PATIENCE_SECONDS) for process in processes]
    for process, (_, errors) in zip(processes, ended, strict=True):
        assert process.returncode == 0, errors
    return [output for output, _ in ended]


def scores_of(results: Path) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for path in sorted(results.glob("anomaly_score_*.csv")):
        with path.open(newline="") as file:
            found |= {(path.name, clip): float(score) for clip, score in csv.reader(file)}
    return found


def test_eight_devices_learn_as_one(
    experiment: Experiment, config_file: Any, launch: Any, tmp_path: Path
) -> None:
    """The batch is split, the statistics are those of the whole batch."""
    arguments = (f"--config={config_file(experiment)}", f"--workdir={tmp_path / 'eight'}")
    finish(launch("train.py", *arguments, env=EIGHT_DEVICES))
    train(experiment, tmp_path / "one")
    eight, one = (read_log(tmp_path / name / "models" / "all") for name in ("eight", "one"))
    assert [row["step"] for row in eight] == [row["step"] for row in one]
    for row, expected in zip(eight[:3], one[:3], strict=True):
        for key in ("loss", "gradient_norm", "accuracy", "learning_rate"):
            assert row[key] == pytest.approx(expected[key], rel=1e-4)


def test_a_batch_that_cannot_be_split_is_refused(
    experiment: Experiment, config_file: Any, launch: Any, tmp_path: Path
) -> None:
    process = launch(
        "train.py",
        f"--config={config_file(experiment)}",
        f"--workdir={tmp_path / 'run'}",
        "--set=training.batch_size=12",
        env=EIGHT_DEVICES,
    )
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert "error: a batch of 12 cannot be split over 8 devices: choose a multiple of 8" in errors
    assert "Traceback" not in errors


def test_two_processes_train_and_evaluate_together(
    experiment: Experiment, config_file: Any, launch: Any, tmp_path: Path
) -> None:
    """Both go the same way, one writes, and the scores are those of a single process."""
    workdir = tmp_path / "run"

    def start_both(name: str, *arguments: str) -> list[Any]:
        with socket.socket() as free:
            free.bind(("localhost", 0))
            address = f"localhost:{free.getsockname()[1]}"
        joint = (f"--coordinator_address={address}", "--num_processes=2")
        return [
            launch(name, f"--workdir={workdir}", *joint, f"--process_id={process}", *arguments)
            for process in range(2)
        ]

    finish(*start_both("train.py", f"--config={config_file(experiment)}"))
    first, second = (read_log(workdir / "models" / "all" / name) for name in ("", "process_1"))
    assert [row["step"] for row in first] == [1, 2, 3, 4, 5, 6]
    for row, other in zip(first, second, strict=True):
        assert row["loss"] == other["loss"]
    outputs = finish(*start_both("evaluate.py"))
    assert ["mean AUC" in output for output in outputs] == [True, False]

    alone = tmp_path / "alone"
    shutil.copytree(workdir, alone, ignore=shutil.ignore_patterns("results"))
    results = evaluate(load_experiment(alone), alone)
    assert results is not None
    together = scores_of(workdir / "results" / "development")
    assert len(together) == 16
    assert together == pytest.approx(scores_of(results.directory), rel=1e-5)
    summaries = [
        json.loads((folder / "results" / "development" / "summary.json").read_text())
        for folder in (workdir, alone)
    ]
    assert summaries[0] == summaries[1]
