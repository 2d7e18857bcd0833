"""SIGTERM and Ctrl-C while a training runs: what was learnt is saved, and the status is no success."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest

from asd_jax.config import Experiment, override
from asd_jax.training.logs import LOG_FILE
from asd_jax.training.work_directory import last_checkpoint

PATIENCE_SECONDS = 120


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_training_that_is_asked_to_stop_saves_and_says_so(
    launch: Any,
    tiny: Experiment,
    prepared: Any,
    config_file: Any,
    tmp_path: Path,
    number: signal.Signals,
    status: int,
) -> None:
    """At the next step, not at the next checkpoint, which would come after a hundred thousand steps."""
    settings = [
        f"data.data_dir={prepared('dcase2020', ['fan', 'ToyCar'])}",
        "training.epochs=100000",
        "training.checkpoint_every=100000",
        "training.log_every=1",
    ]
    config = config_file(override(tiny, settings))
    command = ("train.py", f"--config={config}", "--version=run")
    process = launch(*command, cwd=tmp_path)
    model = tmp_path / "runs" / "run" / "models" / "all"
    until = time.monotonic() + PATIENCE_SECONDS
    while not (model / LOG_FILE).is_file() or not (model / LOG_FILE).read_text():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < until
        time.sleep(0.1)
    process.send_signal(number)
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == status, errors
    step = last_checkpoint(model)
    assert step
    assert f"stopped and saved at step {step} of" in errors
    assert "run the same command again to go on" in errors
    assert "Traceback" not in errors
    assert "trained" not in output
    assert "\r" not in errors
