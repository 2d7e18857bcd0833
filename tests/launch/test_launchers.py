"""The commands as a user types them: the whole flow, and what a mistake is answered with."""

import re
from pathlib import Path
from typing import Any

import pytest

from asd_jax.config import Experiment, override
from asd_jax.training.experiment import load_experiment

REPOSITORY = Path(__file__).parents[2]
DEMO = REPOSITORY / "configs" / "demo.py"
PATIENCE_SECONDS = 120

# Command, the exit status, and what its one message must say.
MISTAKES = [
    ("train.py", 1, r"error: give --config=RECIPE"),
    ("train.py --config=none.py", 1, r"error: no configuration none\.py; there: "),
    (f"train.py --config={DEMO} --set=trainin.epochs=3", 1, r"unknown key; .* training\.epochs"),
    (f"train.py --config={DEMO} --set=training.epochs=few", 1, r"--set training\.epochs=few: "),
    (f"train.py --config={DEMO} --set=training.epochs", 1, r"write section\.key=value"),
    (
        f"train.py --config={DEMO} --mode=test",
        1,
        r"--mode=test: choose one of development, evaluation",
    ),
    (f"train.py --config={DEMO} --machine_type=fan", 1, r"did you mean --machine_types\?"),
    (f"train.py --config={DEMO} fan", 1, r"unknown arguments: fan"),
    ("train.py --config=/etc/hostname", 1, r"error: /etc/hostname is no recipe: --config takes"),
    (f"train.py --config={DEMO} --num_processes=2", 1, r"--num_processes needs --coordinator_addr"),
    (
        f"train.py --config={DEMO} --coordinator_address=a:1 --process_id=0",
        1,
        r"--process_id needs --num_processes as well",
    ),
    (
        f"train.py --config={DEMO} --coordinator_address=a --process_id=0 --num_processes=2",
        1,
        r"--coordinator_address=a: write HOST:PORT",
    ),
    (f"train.py --config={DEMO} --data_dir=~nobody_here/x", 1, r"error: ~nobody_here/x: "),
    (
        f"train.py --config={DEMO} --dataset=2021 --data_dir=nowhere",
        1,
        r"dcase2021 is not prepared in .*asd prepare --dataset=dcase2021 .*nowhere",
    ),
    ("evaluate.py", 1, r"error: which run\? Give --version=NAME or --workdir=DIR"),
    ("evaluate.py --version=none", 1, r"error: runs/none holds no config\.json: give the"),
    ("prepare.py --archives=nowhere", 1, r"nowhere does not exist\. Put archives of dcase2020"),
    ("prepare.py --dataset=1999 --archives=.", 1, r"unknown dataset '?.*1999.*Choose one of"),
    ("simulate.py --dataset=1999 --output=out", 1, r"no simulation of year 1999: choose one of"),
    ("simulate.py --output=out --machine_types=van", 1, r"unknown .*'van': did you mean fan\?"),
]


def finish(process: Any) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, output, errors


def succeed(process: Any) -> str:
    status, output, errors = finish(process)
    assert status == 0, errors
    return output


@pytest.mark.parametrize(("line", "expected", "message"), MISTAKES)
def test_a_mistake_is_answered_with_a_message_alone(
    command: Any, tmp_path: Path, line: str, expected: int, message: str
) -> None:
    """No traceback, an exit status that a script notices, and no file left behind."""
    name, *arguments = line.split()
    status, output, errors = finish(command(name.removesuffix(".py"), *arguments, cwd=tmp_path))
    assert status == expected
    assert re.search(message, output + errors, re.DOTALL), output + errors
    assert "Traceback" not in output + errors
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in left if not path.name.endswith(".lock")]


@pytest.fixture
def config(tiny: Experiment, config_file: Any) -> Path:
    return config_file(override(tiny, ["training.epochs=1"]))


def test_from_archive_to_table_by_commands_alone(launch: Any, config: Path, tmp_path: Path) -> None:
    """Four commands with the year's number alone; each names the next, and a run takes no other settings."""
    sizes = ("--sections=2", "--train_clips=6", "--test_clips=2", "--seconds=1")
    simulated = succeed(
        launch("simulate.py", "--dataset=2020", "--machine_types=fan,valve", *sizes, cwd=tmp_path)
    )
    assert re.search(
        r"next: python \S*launch/prepare\.py --dataset=dcase2020 --archives=", simulated
    )
    archives = simulated.rpartition("--archives=")[2].strip()
    counted = succeed(
        launch("prepare.py", "--dataset=2020", f"--archives={archives}", cwd=tmp_path)
    )
    assert re.search(r"fan +id_00", counted)
    chosen = (f"--config={config}", "--version=valves", "--machine_types=valve", "--dataset=2020")
    train = ("train.py", *chosen, "--data_dir=datasets")
    trained = succeed(launch(*train, cwd=tmp_path))
    assert "trained runs/valves/models/all" in trained
    assert trained.rstrip().endswith("evaluate.py --workdir=runs/valves")
    experiment = load_experiment(tmp_path / "runs" / "valves")
    assert experiment.data.machine_types == ("valve",)
    assert experiment.data.dataset == "dcase2020"
    status, _, errors = finish(launch(*train, "--set=training.seed=1", cwd=tmp_path))
    assert status == 1
    assert "training.seed was 0, is 1): choose another --version or --workdir" in errors
    assert "Traceback" not in errors
    table = succeed(launch("evaluate.py", "--version=valves", cwd=tmp_path))
    assert re.search(r"valve +id_02 +\d+\.\d\d +\d+\.\d\d", table)
    assert "fan" not in table
    results = tmp_path / "runs" / "valves" / "results" / "development"
    assert f"scores, decisions, tables and plots: {results}\n" in table
    assert re.search(r"next: python \S*launch/report\.py --workdir=runs/valves$", table.rstrip())
    assert (results / "result.csv").is_file()


def test_a_fault_can_be_looked_into(command: Any, tmp_path: Path) -> None:
    """The message says how to get the traceback, and that way works."""
    arguments = ("evaluate.py", f"--workdir={tmp_path}")
    assert "(--verbosity=1 shows where)" in finish(command(*arguments))[2]
    status, _, errors = finish(command(*arguments, "--verbosity=1"))
    assert status != 0
    assert "Traceback" in errors
