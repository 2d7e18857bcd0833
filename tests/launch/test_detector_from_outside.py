"""A detector in a file of its own, outside the package, goes through every command without a change to the library."""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Launch = Callable[..., subprocess.Popen[str]]

OUTSIDE = Path(__file__).parents[1] / "outside"


@pytest.fixture
def arguments(prepared: Callable[..., str], tmp_path: Path) -> list[str]:
    for file in OUTSIDE.glob("*.py"):
        shutil.copy(file, tmp_path)
    return [f"--workdir={tmp_path / 'run'}", f"--data_dir={prepared('dcase2020', ['fan', 'pump'])}"]


def finish(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-2000:]
    return output


def test_it_trains_resumes_and_evaluates(
    launch: Launch, arguments: list[str], tmp_path: Path
) -> None:
    """Killed after its first checkpoint, the training goes on to the last epoch; a fresh process evaluates it."""
    train = ["train.py", f"--config={tmp_path / 'mean_spectrum_experiment.py'}", *arguments]
    model = tmp_path / "run" / "models" / "all"
    long = [*train, "--set=training.epochs=60"]
    stopped = launch(*long, cwd=tmp_path)
    deadline = time.monotonic() + 200
    while (
        not any(path.name.isdigit() for path in model.glob("checkpoints/*"))
        and time.monotonic() < deadline
    ):
        assert stopped.poll() is None, stopped.communicate()[1][-2000:]
        time.sleep(0.05)
    stopped.send_signal(signal.SIGKILL)
    stopped.communicate()
    first = json.loads((model / "metrics.jsonl").read_text().splitlines()[0])
    finish(launch(*long, cwd=tmp_path))
    rows = [json.loads(line) for line in (model / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 6 * 60 + 1))
    assert rows[0] == first, "what the killed training logged before its checkpoint stays"
    assert rows[-1]["loss"] < 0.5 * rows[0]["loss"]
    process = launch("evaluate.py", *arguments)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "mean_spectrum.py:MeanSpectrumConfig is not part of asd_jax" in errors
    assert "give --detector_module=FILE" in errors
    arguments = [*arguments, f"--detector_module={tmp_path / 'mean_spectrum.py'}"]
    table = finish(launch("evaluate.py", *arguments))
    assert "fan" in table
    assert "pump" in table
    fitted = finish(launch("evaluate.py", *arguments, "--set=evaluation.score=cosine"))
    assert fitted != table


def test_a_detector_that_is_gone_is_named(
    launch: Launch, arguments: list[str], tmp_path: Path
) -> None:
    train = [f"--config={tmp_path / 'mean_spectrum_experiment.py'}", *arguments]
    finish(launch("train.py", *train, "--set=training.epochs=1"))
    (tmp_path / "mean_spectrum.py").unlink()
    process = launch("evaluate.py", *arguments)
    _, errors = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "mean_spectrum.py" in errors
    assert "Traceback" not in errors
