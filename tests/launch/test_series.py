"""The series command as a user types it, and what a mistake is answered with."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PATIENCE_SECONDS = 120
SMALL = (
    "detector.width=8",
    "detector.heads=2",
    "detector.feed_forward=8",
    "detector.layers=1",
    "detector.window=10",
    "training.epochs=1",
    "training.batch_size=16",
    "scoring.anomaly_ratio=5",
)

# Command, and what its one message must say.
MISTAKES = [
    ("--test=b.npy", r"give --train=FILE"),
    ("--train=a.npy --test=b.npy", r"error: which run\? Give --version=NAME or --workdir=DIR"),
    ("--train=none.npy --test=b.npy --workdir=w", r"error: none\.npy does not exist"),
    ("--train=a.npy --test=c.npy --workdir=w", r"a\.npy has 3 channels, c\.npy has 2: both must"),
    ("--train=a.npy --test=b.npy --workdir=w --set=detector.window=150", r"fewer than one window"),
    ("--train=a.npy --test=b.npy --workdir=w --set=detector.hads=2", r"nearest is detector\.heads"),
    ("--train=a.npy --test=b.npy --workdir=w --labels=c.npy", r"c\.npy has labels of shape"),
    ("--train=a.npy --test=b.npy --workdir=w --point_adjust", r"give --labels=FILE"),
    ("--train=a.npy --test=b.npy --workdir=w --dataset=2020", r"--dataset is for clips"),
    ("--train=a.npy --test=b.npy --workdir=w --config=none.py", r"no configuration none\.py"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name, shape in (("a.npy", (160, 3)), ("b.npy", (145, 3)), ("c.npy", (140, 2))):
        np.save(tmp_path / name, rng.normal(size=shape))
    np.savetxt(tmp_path / "labels.csv", np.arange(145) // 130, fmt="%d")
    return tmp_path


def finish(process: Any) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, output, errors


def test_from_files_to_marked_figures(command: Any, folder: Path) -> None:
    """One command trains and scores; the same command again scores without training."""
    arguments = ["--train=a.npy", "--test=b.npy", "--labels=labels.csv", "--workdir=w"]
    arguments += [f"--set={setting}" for setting in SMALL]
    status, plain, errors = finish(command("series.py", *arguments, cwd=folder))
    assert status == 0, errors
    assert "95th percentile of the training energies" in plain
    assert "POINT-ADJUSTED" not in plain
    assert "training model" in errors
    status, adjusted, errors = finish(
        command("series.py", *arguments, "--point_adjust", cwd=folder)
    )
    assert status == 0, errors
    assert "POINT-ADJUSTED" in adjusted
    assert "f1_point_adjusted" in adjusted
    assert "training model" not in errors
    written = sorted(path.name for path in (folder / "w" / "results").iterdir())
    assert written == [
        "energies.csv",
        "result.csv",
        "result_point_adjusted.csv",
        "table.txt",
        "table_point_adjusted.txt",
    ]
    assert len((folder / "w" / "results" / "energies.csv").read_text().splitlines()) == 146


@pytest.mark.parametrize(("line", "message"), MISTAKES)
def test_a_mistake_is_answered_with_a_message_alone(
    command: Any, folder: Path, line: str, message: str
) -> None:
    """No traceback, an exit status that a script notices, and no work directory left behind."""
    status, output, errors = finish(command("series.py", *line.split(), cwd=folder))
    assert status == 1
    assert re.search(message, output + errors, re.DOTALL), output + errors
    assert "Traceback" not in output + errors
    assert not (folder / "w").exists()
