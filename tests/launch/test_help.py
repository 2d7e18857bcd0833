"""Help: short, at once, in sections, and never more than what the command does."""

import importlib
import re
import subprocess
import sys
import typing
from pathlib import Path
from typing import Any

import pytest
from tfds_dcase.folder import FOLDER
from tfds_dcase.preparation import FILE_FORMATS
from tfds_dcase.recordings import CHANNELS
from tfds_dcase_command import cli as dataset_cli
from tfds_dcase_command import invocation, prepare
from tfds_dcase_command.program import Program, defined

from asd_jax import cli
from asd_jax.commands import compare, evaluate, import_weights, metrics, score, simulate
from asd_jax.config import override
from asd_jax.evaluation.comparison import RESAMPLES
from asd_jax.evaluation.evaluate import ProtocolName
from asd_jax.evaluation.foreign import LayoutChoice
from asd_jax.inference.hearing import HeardWindows
from asd_jax.inference.run import HeardChannel
from asd_jax.interop.importing import ClassOrder
from asd_jax.interop.published import PUBLISHED
from asd_jax.recipes import recipe_folder, recipe_path, recipes
from asd_jax.simulation import SIZES
from asd_jax.training.experiment import load_experiment

REPOSITORY = Path(__file__).parents[2]
PROGRAMS = [cli.PROGRAM, dataset_cli.PROGRAM]
COMMANDS = [(program, name) for program in PROGRAMS for name in program.commands()]


@pytest.mark.parametrize(
    ("light", "library"),
    [
        (score.WINDOWS, typing.get_args(HeardWindows)),
        (score.CHANNELS, typing.get_args(HeardChannel)),
        (evaluate.PROTOCOLS, typing.get_args(ProtocolName)),
        (metrics.LAYOUTS, typing.get_args(LayoutChoice)),
        (import_weights.CLASS_ORDERS, typing.get_args(ClassOrder)),
        (import_weights.DETECTORS, tuple(PUBLISHED)),
        (simulate.SIZES, tuple(sorted(SIZES))),
        (compare.RESAMPLES, RESAMPLES),
        (prepare.CHANNELS, CHANNELS),
        (prepare.FILE_FORMATS, FILE_FORMATS),
        (prepare.FOLDER, FOLDER),
    ],
)
def test_what_a_command_offers_is_what_the_library_takes(light: Any, library: Any) -> None:
    """The commands repeat the words, because their help must not import the library."""
    assert light == library


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_the_programs_help_fits_a_screen_with_an_example_per_command(
    program: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in ([], ["--help"], ["-h"], ["help"]):
        assert program.main(arguments) == 0
        said = capsys.readouterr().out
        assert len(said.splitlines()) <= 34
        assert max(map(len, said.splitlines())) <= 88
        for name in program.commands():
            assert f"\n  {program.name} {name}" in said


@pytest.mark.parametrize(
    ("program", "name"), COMMANDS, ids=lambda value: getattr(value, "name", value)
)
def test_a_commands_help_has_its_flags_and_an_example(
    program: Program, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The flags of the command alone, not those of its libraries; those of several machines last."""
    texts = set()
    for arguments in ([name, "--help"], [name, "-h"], [name, "--helpshort"], ["help", name]):
        assert program.main(arguments) == 0
        said = capsys.readouterr()
        texts.add(said.out)
        assert not said.err
    (text,) = texts
    module = importlib.import_module(program.commands()[name].module)
    assert f"\n  {program.name} {name}" in text
    listed = re.findall(r"^  --(?:\[no\])?(\w+)", text, re.MULTILINE)
    assert listed == defined(module).names()
    assert "logtostderr" not in listed
    assert len(text.splitlines()) < 75
    sections = re.findall(r"^([a-z].*):$", text, re.MULTILINE)
    assert "several machines" not in sections[:-1]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
def test_a_help_imports_nothing_heavy(program: Program) -> None:
    """It appears at once: JAX, TFDS and NumPy take seconds to be imported."""
    module = {"asd": "asd_jax.cli", "tfds-dcase": "tfds_dcase_command.cli"}[program.name]
    code = (
        f"import sys\nfrom {module} import PROGRAM\n"
        "for name in ['', *PROGRAM.commands()]:\n"
        "    assert PROGRAM.main([*([name] if name else []), '--help']) == 0\n"
        "print(sorted({'jax', 'numpy', 'tensorflow_datasets', 'tfds_dcase', 'flax'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["trian"], "did you mean asd train?"),
        (["train", "--config=demo", "--epochs=3"], "did you mean --set training.epochs=3?"),
        (
            ["train", "--config=demo", "--batch_size", "3"],
            "did you mean --set training.batch_size=",
        ),
        (["train", "--confg=demo"], "unknown flag --confg: did you mean --config?"),
        (["train", "--config=dmo"], "no recipe 'dmo': did you mean demo?"),
        (["train"], "give --config=RECIPE"),
        (["train", "--config=demo", "--seeds=x"], "--seeds=x: must be a whole number, at least 1"),
        (["train", "--config=demo", "--seeds=0"], "--seeds=0: must be a whole number, at least 1"),
        (["train", "--config=demo", "fan"], "unknown arguments: fan"),
        (["train", "config=demo"], "did you mean --config=demo?"),
        (["evaluate", "--protocol=onest"], "choose one of honest, oracle; did you mean honest?"),
        (["evaluate", "--data_dir"], "--data_dir"),
        (["score", "--quantile=high", "a.wav"], "--quantile=high: must be a number"),
        (["train", "--config=demo", "--multi_process=perhaps"], "must be true or false"),
        (["compare"], "name the runs to compare"),
        (["completion", "fish"], "asd completion bash"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_right_one(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    try:
        status = cli.PROGRAM.main(arguments)
    except SystemExit as stop:
        status = int(stop.code or 0)
    said = capsys.readouterr()
    assert told in said.err
    assert status == (2 if arguments[0] == "score" else 1)
    assert "Traceback" not in said.err


def test_dashes_in_a_flag_are_as_good_as_underscores(
    command: Any, tmp_path: Path, config_file: Any
) -> None:
    done = command("evaluate", "--data-dir=x", f"--workdir={tmp_path}")
    assert "holds no config.json" in done.stderr


def test_recipes_are_named_without_path_or_ending(command: Any, tmp_path: Path) -> None:
    listed = command("train", "--config=list").stdout.splitlines()
    files = {path.stem for path in (REPOSITORY / "configs").glob("*.py")}
    assert {line.split()[0] for line in listed} == files == set(recipes())
    assert all(len(line.split(maxsplit=1)[1]) > 20 for line in listed)
    for name in files:
        assert recipe_path(name) == recipe_folder() / f"{name}.py"
        assert recipe_path(f"configs/{name}.py").name == f"{name}.py"
    own = tmp_path / "mine.py"
    own.write_text("")
    assert recipe_path(str(own)) == own


def test_the_completion_script_is_sound_and_completes(command: Any) -> None:
    script = command("completion", "bash").stdout
    ask = (
        "COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}}-1)); compopt() {{ :; }}; "
        '_asd; echo "${{COMPREPLY[@]}}"'
    )
    for words, told in (
        ("asd tr", "train"),
        ("asd evaluate --prot", "--protocol="),
        ("asd train --config = demo_l", "demo_linear_autoencoder"),
        ("asd evaluate --protocol = hon", "honest"),
    ):
        done = subprocess.run(
            ["bash", "-c", script + ask.format(words=words)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.split() == [told], (words, done.stdout, done.stderr)


@pytest.mark.parametrize("path", sorted((REPOSITORY / "launch").glob("*.py")), ids=lambda p: p.name)
def test_a_launcher_is_its_command(path: Path) -> None:
    """A few lines each; what it says next can be typed where it was typed."""
    assert len(path.read_text().splitlines()) < 15
    done = subprocess.run(
        [sys.executable, f"launch/{path.name}", "--no_such_flag"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (1, 2)
    assert "unknown flag --no_such_flag" in done.stderr


def test_several_seeds_are_several_runs_and_runs_lists_them(
    command: Any, tiny: Any, config_file: Any, prepared: Any, tmp_path: Path
) -> None:
    """They differ in their seed alone, and the first is that of a single training."""
    config = config_file(override(tiny, ["training.epochs=1", "training.seed=5"]))
    data_dir = prepared("dcase2020", ["fan", "valve"])
    line = (f"--config={config}", f"--data_dir={data_dir}", "--version=x", "--seeds=2")
    done = command("train", *line, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [
        "next: asd evaluate --workdir=runs/x",
        "next: asd evaluate --workdir=runs/x_seed1",
    ]
    first, second = (load_experiment(tmp_path / "runs" / name) for name in ("x", "x_seed1"))
    assert override(first, ["training.seed=6"]) == second
    listed = command("runs", cwd=tmp_path).stdout.splitlines()
    assert listed[0] == "run,dataset,recipe,detector,score,mean AUC,state"
    assert listed[1:] == [
        f"{name},dcase2020,tiny,STgramMFN,,,1 model trained" for name in ("x", "x_seed1")
    ]


@pytest.mark.parametrize(
    ("typed", "is_there", "told"),
    [
        ("asd", False, "asd train"),
        ("bin/asd", True, "bin/asd train"),
        ("my tools/asd", True, "'my tools/asd' train"),
        ("lib/asd_jax/__main__.py", True, "python -m asd_jax train"),
    ],
)
def test_the_next_command_can_be_typed_as_this_one_was(
    typed: str, is_there: bool, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(invocation, "_called", "")
    monkeypatch.setattr(sys, "argv", [typed])
    if is_there:
        Path(typed).parent.mkdir(parents=True)
        Path(typed).touch()
    invocation.note_program("asd", "asd_jax")
    assert invocation.command("train") == told


def test_years_archives_and_prepared_data_are_listed(
    prepared: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    data_dir = prepared("dcase2020", ["fan", "valve"])
    assert dataset_cli.PROGRAM.main(["list"]) == 0
    assert "dcase2026" in capsys.readouterr().out
    assert dataset_cli.PROGRAM.main(["list", "--dataset=2020"]) == 0
    assert "https://zenodo.org/records/3678171/files/dev_data_fan.zip" in capsys.readouterr().out
    assert dataset_cli.PROGRAM.main(["list", f"--data_dir={data_dir}"]) == 0
    assert "40 clips, 0.0 h, fan, valve" in capsys.readouterr().out
    assert dataset_cli.PROGRAM.main(["where", "--dataset=2020", f"--data_dir={data_dir}"]) == 0
    assert (Path(capsys.readouterr().out.strip()) / "dataset_info.json").is_file()


def test_a_name_behind_two_dashes_is_left_alone() -> None:
    given = defined(score).parse(["--data-dir=x", "--", "-my-file"])
    assert (given.data_dir, given.arguments) == ("x", ["-my-file"])
