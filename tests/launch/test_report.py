"""The report command as a user types it."""

import re
import shutil
from pathlib import Path
from typing import Any

from asd_jax.config import Experiment, override
from asd_jax.training.experiment import train

OUTSIDE = Path(__file__).parents[1] / "outside"


def finish(process: Any) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=300)
    return process.returncode, output, errors


def test_a_command_writes_a_report_where_it_is_asked_to(
    command: Any, tiny: Experiment, prepared: Any, tmp_path: Path
) -> None:
    """The shared flags choose the machine types; a mistake is answered with a message alone."""
    workdir = tmp_path / "run"
    data_dir = prepared("dcase2020", ["fan", "valve"])
    train(override(tiny, [f"data.data_dir={data_dir}", "training.epochs=1"]), workdir)
    output = tmp_path / "fan.html"
    arguments = (f"--workdir={workdir}", "--machine_types=fan", f"--output={output}")
    status, said, errors = finish(command("report.py", *arguments, "--examples=1"))
    assert status == 0, errors
    assert re.fullmatch(rf"report: {re.escape(str(output))} \(\d+\.\d MB\)", said.strip())
    page = output.read_text()
    assert "<h3>fan</h3>" in page
    assert "<h3>valve</h3>" not in page

    (tmp_path / "none").mkdir()
    for wrong, message in (
        (f"--workdir={tmp_path / 'none'}", r"error: .*holds no config\.json"),
        (f"--output={tmp_path / 'gone' / 'x.html'}", r"error: .*gone is no folder: make it"),
        ("--examples=-1", r"--examples=-1: must be a whole number, at least 0"),
    ):
        status, said, errors = finish(command("report.py", *arguments, wrong))
        assert status != 0
        assert re.search(message, said + errors), said + errors
        assert "Traceback" not in said + errors


def test_a_detector_from_outside_has_a_report_without_its_reasons(
    command: Any, prepared: Any, tmp_path: Path
) -> None:
    """It neither explains nor classifies; the log-mel pictures and everything else are there."""
    for file in OUTSIDE.glob("*.py"):
        shutil.copy(file, tmp_path)
    shared = [
        f"--workdir={tmp_path / 'run'}",
        f"--data_dir={prepared('dcase2020', ['fan', 'valve'])}",
    ]
    config = f"--config={tmp_path / 'mean_spectrum_experiment.py'}"
    status, _, errors = finish(command("train.py", config, *shared, cwd=tmp_path))
    assert status == 0, errors
    module = f"--detector_module={tmp_path / 'mean_spectrum.py'}"
    status, _, errors = finish(command("report.py", *shared, module, "--examples=1"))
    assert status == 0, errors
    page = (tmp_path / "run" / "report_development.html").read_text()
    assert "MeanSpectrum does not explain its score" in page
    assert "MeanSpectrum tells no classes apart" in page
    assert "Log-mel spectrogram of" in page
    assert "by section, by domain and by label" in page
