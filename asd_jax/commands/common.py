"""Flags that several commands share, and how they become an experiment and a work directory."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING

from absl import logging
from tfds_dcase_command.invocation import command
from tfds_dcase_command.options import Given, Options
from tfds_dcase_command.terminal import user_path

if TYPE_CHECKING:
    from asd_jax.config import Experiment

SEVERAL_MACHINES = "several machines"


def define_recipe(options: Options, about: str, required: bool = False) -> None:
    """The flag that names a recipe."""
    options.text("config", None, about, "RECIPE", required)


def define_run(options: Options) -> None:
    """Flags that name a run."""
    options.section("the run")
    options.text(
        "version",
        None,
        "Name of the run; it lies in runs/NAME. Default: the recipe's name.",
        "NAME",
    )
    options.text("workdir", None, "Folder of the run, in place of runs/NAME.", "FOLDER")


def define_data(options: Options) -> None:
    """Flags that choose the data."""
    options.section("the data")
    define_dataset(options)
    define_mode(options)
    options.listed("machine_types", None, "Use these machine types only.", "fan,pump")


def define_dataset(options: Options) -> None:
    """Flags that name a prepared dataset."""
    options.text(
        "dataset",
        None,
        "Prepared dataset: 2020 to 2026, or folder for your own recordings.",
        "YEAR",
    )
    options.text("data_dir", None, "Folder of the prepared datasets.", "FOLDER")


def define_mode(options: Options) -> None:
    """The flag that chooses development or evaluation data."""
    options.choice(
        "mode",
        None,
        ["development", "evaluation"],
        "Train and test on the development data, or on the additional training and evaluation data.",
    )


def define_settings(options: Options) -> None:
    """Flags for single settings and for detectors from outside."""
    options.section("settings")
    options.repeated(
        "set",
        "Change a setting of the recipe: --set training.epochs=10. Repeat for more.",
        "KEY=VALUE",
    )
    options.repeated(
        "detector_module",
        "Python file with the run's detector, if it is not one of asd_jax. It is run.",
        "FILE.py",
    )


def define_cluster(options: Options) -> None:
    """Flags of a training or scoring that several machines share; last in every help."""
    options.section(SEVERAL_MACHINES)
    options.yes(
        "multi_process", "Join the other processes of a TPU pod or a cluster (jax.distributed)."
    )
    options.text(
        "coordinator_address", None, "Process 0, where no cluster manager tells it.", "HOST:PORT"
    )
    options.whole(
        "num_processes", None, "Number of processes, with --coordinator_address.", least=1
    )
    options.whole("process_id", None, "This process, from 0, with --coordinator_address.", least=0)


def define_all(options: Options) -> None:
    """All flags that commands about a run share, in the order of their helps."""
    define_run(options)
    define_data(options)
    define_settings(options)
    define_cluster(options)


def trained_run(given: Given) -> tuple[Path, Experiment]:
    """The work directory that the flags name, with its configuration and the flags' changes."""
    start(given)
    from asd_jax.training.experiment import load_experiment

    workdir = chosen_workdir(given)
    return workdir, chosen_experiment(load_experiment(workdir), given)


def chosen_experiment(experiment: Experiment, given: Given) -> Experiment:
    """The configuration with the flags' values.

    Raises:
        ValueError: see `asd_jax.config.override`.
    """
    from asd_jax.config import override

    types = given.machine_types
    named = {
        "dataset": dataset_name(given.dataset),
        "data_dir": given.data_dir,
        "mode": given.mode,
        "machine_types": ",".join(types) if types is not None else None,
    }
    settings = [f"data.{key}={value}" for key, value in named.items() if value is not None]
    chosen = override(experiment, settings + given["set"])
    data = dataclasses.replace(chosen.data, data_dir=_everywhere(chosen.data.data_dir))
    return dataclasses.replace(chosen, data=data)


def load_recipe(text: str) -> Experiment:
    """The experiment of a recipe that is named or whose path is given.

    Raises:
        FileNotFoundError: there is no such recipe or file.
        ValueError: the file is no recipe.
    """
    from asd_jax.config import load_config
    from asd_jax.recipes import recipe_path

    return load_config(recipe_path(text))


def chosen_workdir(given: Given, experiment: Experiment | None = None) -> Path:
    """The work directory that the flags name, or the experiment's own.

    Raises:
        ValueError: no flag names one and there is no experiment.
    """
    if given.workdir:
        return user_path(given.workdir)
    name = given.version or (experiment.name if experiment else None)
    if not name:
        raise ValueError(f"which run? Give --version=NAME or --workdir=DIR{_known_runs()}")
    return Path("runs") / name


def dataset_name(name: str | None) -> str | None:
    """A year's dataset in full: `2020` is `dcase2020`."""
    return f"dcase{name}" if name and name.isdigit() else name


def next_command(name: str, *arguments: str) -> str:
    """The line that says how to go on."""
    return f"next: {command(name)} {' '.join(arguments)}".rstrip()


def start(given: Given) -> None:
    """Quiets the libraries' logs and joins other processes; must come before any other use of JAX.

    Raises:
        ValueError: the flags for several machines do not fit together.
    """
    if not given.has("verbosity"):
        # Checkpointing logs a screenful a save, which tears the progress bar.
        logging.set_verbosity(logging.WARNING)
    from asd_jax.config import load_detector_module

    for name in given.detector_module if "detector_module" in given else []:
        load_detector_module(user_path(name))
    if "multi_process" in given:
        _join(given)


def _join(given: Given) -> None:
    address = given.coordinator_address
    several = {"--num_processes": given.num_processes, "--process_id": given.process_id}
    named = [name for name, value in several.items() if value is not None]
    if named and not address:
        raise ValueError(
            f"{named[0]} needs --coordinator_address=HOST:PORT, the address of process 0"
        )
    if address and 0 < len(named) < len(several):
        (missing,) = several.keys() - set(named)
        raise ValueError(f"{named[0]} needs {missing} as well")
    if (
        given.num_processes
        and given.process_id is not None
        and given.process_id >= given.num_processes
    ):
        raise ValueError(
            f"--process_id={given.process_id} of --num_processes={given.num_processes}: they are counted from 0"
        )
    if address and not re.fullmatch(r".+:\d{1,5}", address):
        raise ValueError(f"--coordinator_address={address}: write HOST:PORT")
    if given.multi_process or address:
        import jax

        jax.distributed.initialize(address, given.num_processes, given.process_id)


def _everywhere(folder: str) -> str:
    """A folder's name that means the same from every current folder; a bucket's name (gs://...) is one."""
    return folder if "://" in folder else str(user_path(folder).absolute())


def _known_runs() -> str:
    found = sorted(path.parent.name for path in Path("runs").glob("*/config.json"))
    return f"; there are {', '.join(found[:6])}" if found else ""
