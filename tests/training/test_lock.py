"""Two trainings never share a work directory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from asd_jax.training.lock import LOCK_FILE, only_training

HOLDER = """
import sys
from pathlib import Path
from asd_jax.training.lock import only_training
with only_training(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_the_second_training_is_refused_with_the_first_ones_process_and_host(
    tmp_path: Path,
) -> None:
    """Until it ends, and however it ends: a kill leaves no lock behind."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "run")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"JAX_PLATFORMS": "cpu"},
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        told = rf"run is being trained by process {holder.pid} on \S+: wait for it, or choose"
        with pytest.raises(ValueError, match=told), only_training(tmp_path / "run"):
            pass
        holder.kill()
    assert (tmp_path / "run" / LOCK_FILE).exists()
    with only_training(tmp_path / "run"):
        pass
    assert not (tmp_path / "run" / LOCK_FILE).exists()


def test_a_failed_training_lets_go(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="fault"), only_training(tmp_path):
        raise RuntimeError("fault")
    with only_training(tmp_path):
        pass
