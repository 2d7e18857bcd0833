"""`score.py` as a user types it: files in, lines and an exit status out."""

import csv
import io
import math
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import tfds_dcase
from tfds_dcase.layouts import LAYOUTS

from asd_jax.config import Experiment, override
from asd_jax.evaluation.evaluate import evaluate
from asd_jax.evaluation.score_files import read_clip_scores
from asd_jax.simulation import SimulationSize, simulate
from asd_jax.training.experiment import load_experiment, train

PATIENCE_SECONDS = 240


@pytest.fixture(scope="module")
def place(tiny: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained work directory `run` and the wav files of its machine types, without their dataset."""
    folder = tmp_path_factory.mktemp("own_files")
    size = SimulationSize(sections=2, train=6, test_normal=2, test_anomaly=2)
    simulate("dcase2020", folder / "archives", size, ("fan", "valve"), ("dev",), seconds=1.0)
    tfds_dcase.prepare("dcase2020", folder / "archives", folder)
    train(override(tiny, [f"data.data_dir={folder}", "training.epochs=1"]), folder / "run")
    for path in (folder / "archives").glob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
    return folder


def finish(process: Any) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert "Traceback" not in output + errors, errors
    return process.returncode, output, errors


def record_own(place: Path) -> None:
    """A clip in several formats, rates and numbers of channels, without a section, and a hidden file."""
    samples, _ = soundfile.read(place / "valve/test/normal_id_00_00000000.wav")
    folder = place / "valve" / "today"
    folder.mkdir()
    soundfile.write(folder / "a.flac", samples, 16000)
    soundfile.write(folder / "b.ogg", np.stack([samples, samples], axis=1), 16000)
    soundfile.write(folder / "c.aiff", np.repeat(samples, 3), 48000)
    (folder / ".d.wav").write_text("no audio")


def rows_of(output: str) -> dict[str, dict[str, str]]:
    return {row["file"]: row for row in csv.DictReader(io.StringIO(output))}


def test_a_user_scores_files_where_the_dataset_is_not(command: Any, place: Path) -> None:
    """Calibrated once, the work directory goes anywhere; the status tells what the files are."""
    run = f"--workdir={place / 'run'}"
    status, output, errors = finish(command("score.py", run, "--calibrate_only"))
    assert (status, output) == (0, f"calibrated {place / 'run/models/all'}\n"), errors
    shutil.rmtree(place / "tfds_dcase")

    record_own(place)
    output_csv = f"--output={place / 'scores.csv'}"
    anything = (
        "--quantile=1e-9",
        "fan/train",
        "valve/today",
        "valve/test/normal_id_00_00000000.wav",
    )
    status, output, errors = finish(command("score.py", run, output_csv, *anything, cwd=place))
    assert status == 1, errors
    rows = rows_of(output)
    assert list(rows) == [*sorted(list(rows)[:-1]), anything[-1]]
    assert [name for name in rows if "today" in name] == [
        f"valve/today/{name}" for name in ("a.flac", "b.ogg", "c.aiff")
    ]
    assert {row["machine_type"] for row in rows.values()} == {"fan", "valve"}
    kept = rows_of((place / "scores.csv").read_text())
    for name, row in rows.items():
        assert float(kept[name]["score"]) == pytest.approx(float(row["score"]), rel=1e-5)
        assert (kept[name]["decision"], kept[name]["section"]) == (row["decision"], row["section"])
    assert "16 scored" in errors
    assert "3 of no known section were compared with all of their machine type" in errors

    quietest = min(kept.values(), key=lambda row: float(row["score"]))["file"]
    (place / "fan" / "broken.wav").write_bytes(b"RIFF")
    normal = ("--quantile=0.999", quietest)
    status, output, errors = finish(command("score.py", run, *normal, "fan/broken.wav", cwd=place))
    assert status == 3
    assert "error: fan/broken.wav: is no readable audio file" in errors
    assert rows_of(output)["fan/broken.wav"]["score"] == ""
    assert rows_of(output)[quietest]["decision"] == "0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--workdir=run --machine_typ=fan x.wav", r"did you mean --machine_type"),
        ("--workdir=none x.wav", r"none holds no config\.json"),
        ("--workdir=run", r"no recordings .* name audio files, or folders that hold some"),
        ("--workdir=run --false_alarm_rate=0.01 fan/test", r"12 training normals allow rates from"),
        ("--workdir=run --set=evaluation.score=kn fan/test", r"this detector has nll_margin"),
    ],
)
def test_wrong_usage_is_no_anomaly(command: Any, place: Path, arguments: str, message: str) -> None:
    """Status 2 and a message alone; Python's and absl's own status for a mistake, 1, would read as an anomaly."""
    status, output, errors = finish(command("score.py", *arguments.split(), cwd=place))
    assert status == 2
    assert re.search(message, output + errors, re.DOTALL), output + errors
    assert "id_00" not in output


def test_the_help_names_the_exit_status(command: Any) -> None:
    _, output, errors = finish(command("score.py", "--helpshort"))
    assert not errors
    assert "asd score --workdir=" in output
    assert "Exit status: 0 all files are normal, 1 there are anomalies" in output
    listed = re.findall(r"^  --(?:\[no\])?(\w+)", output, re.MULTILINE)
    wanted = "workdir machine_type section quantile false_alarm_rate windows channel output set"
    assert set(wanted.split()) <= set(listed)


@pytest.mark.recordings
def test_real_recordings_get_the_numbers_of_an_evaluation(
    command: Any, shared: Path, tiny: Experiment, tmp_path: Path
) -> None:
    """The wav files of a year's test clips, as they were published, at any place."""
    folder = next(
        (path for path in sorted((shared / "recordings").glob("*")) if path.name in LAYOUTS), None
    )
    if folder is None:
        pytest.skip(f"no recordings in {shared / 'recordings'}")
    archives = sorted(folder.glob("dev*.zip"), key=lambda path: path.stat().st_size)[:2]
    for path in archives:
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path)
    (tmp_path / "archives").mkdir()
    for path in archives:
        shutil.copy(path, tmp_path / "archives")
    tfds_dcase.prepare(folder.name, tmp_path / "archives", tmp_path)
    settings = [f"data.dataset={folder.name}", f"data.data_dir={tmp_path}", "training.epochs=1"]
    settings += ["detector.clip.samples=32000", "training.batch_size=16"]
    settings += ["data.class_by=machine_type,section,attributes", "evaluation.batch_size=32"]
    workdir = tmp_path / "run"
    train(override(tiny, settings), workdir)
    results = evaluate(load_experiment(workdir), workdir)
    assert results is not None
    expected = {(c.machine_type, c.file_name): c for c in read_clip_scores(results.directory)}
    folders = sorted({str(path.parent) for path in tmp_path.rglob("*test*/*.wav")})
    scored = command("score.py", f"--workdir={workdir}", f"--output={tmp_path / 'x.csv'}", *folders)
    status, _, errors = finish(scored)
    assert status == int(any(clip.decision for clip in expected.values())), errors
    rows = rows_of((tmp_path / "x.csv").read_text())
    assert len(rows) == len(expected) > 5
    for row in rows.values():
        clip = expected[row["machine_type"], Path(row["file"]).name]
        assert float(row["score"]) == pytest.approx(clip.score, rel=1e-6, abs=1e-9)
        assert int(row["decision"]) == clip.decision
        assert row["section"] == clip.section
        assert math.isfinite(float(row["p_value"]))
