"""The launcher that looks at a prepared dataset."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asd_jax.simulation import SimulationSize


@pytest.fixture(scope="module")
def data_dir(prepared: Callable[..., str]) -> str:
    size = SimulationSize(sections=2, train=5, test_normal=2, test_anomaly=2)
    return prepared("dcase2020", ["fan", "valve"], size=size)


def run(command: Any, folder: Path, *arguments: str) -> tuple[int, str, str]:
    process = command("inspect_data.py", "--dataset=2020", *arguments, cwd=folder)
    output, errors = process.communicate(timeout=120)
    return process.returncode, output, errors


def test_it_shows_clips_a_batch_the_throughput_and_pictures(
    command: Any, data_dir: str, tmp_path: Path
) -> None:
    status, output, errors = run(
        command,
        tmp_path,
        f"--data_dir={data_dir}",
        "--batches=2",
        "--set=training.batch_size=3",
        "--set=detector.clip.samples=8000",
        "--pictures=pictures",
        "--clips=fan/test/anomaly_id_00",
    )
    assert status == 0, errors
    assert "fan           id_00    source             5" in output
    assert re.search(r"waveform +int16 +\(3, 8000\)", output)
    rates = re.findall(r"(\d+) windows/s on the (host|device)", output)
    assert [place for _, place in rates] == ["host", "device"]
    assert all(int(rate) > 0 for rate, _ in rates)
    pictures = sorted(path.name for path in (tmp_path / "pictures").iterdir())
    assert pictures == [f"dcase2020_dev_fan_test_anomaly_id_00_{n:08}.png" for n in range(2)]
    for name in pictures:
        assert (tmp_path / "pictures" / name).read_bytes().startswith(b"\x89PNG")


def test_a_clip_that_is_not_there_is_told(command: Any, data_dir: str, tmp_path: Path) -> None:
    status, _, errors = run(
        command, tmp_path, f"--data_dir={data_dir}", "--batches=1", "--pictures=p", "--clips=van"
    )
    assert status == 1
    assert "no clip id holds van: clips.csv lists them" in errors
    assert "Traceback" not in errors
