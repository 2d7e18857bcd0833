"""Flags that the launchers share, and how they become an experiment and a work directory."""

import dataclasses
import re
from contextlib import AbstractContextManager
from pathlib import Path

import jax
from absl import flags, logging

from asd_jax import terminal
from asd_jax.config import Experiment, load_detector_module, override

_VERSION = flags.DEFINE_string(
    "version",
    None,
    "Name of the run; its work directory is runs/<version>. Default: the experiment's name.",
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Work directory of the run, in place of runs/<version>."
)
_DATASET = flags.DEFINE_string(
    "dataset", None, "Prepared data set: dcase2020 or 2020, and so on; folder for own recordings."
)
_DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of prepared data sets.")
_MODE = flags.DEFINE_enum(
    "mode",
    None,
    ["development", "evaluation"],
    "Train and test on the development data, or on the additional training and evaluation data.",
)
_MACHINE_TYPES = flags.DEFINE_list("machine_types", None, "Use these machine types only: fan,pump.")
_SET = flags.DEFINE_multi_string(
    "set", [], "Override a key of the configuration: --set training.epochs=10. Repeat for more."
)
_DETECTOR_MODULE = flags.DEFINE_multi_string(
    "detector_module",
    None,
    "Python file with the run's detector, if it is not asd_jax's. It is run.",
)
_MULTI_PROCESS = flags.DEFINE_bool(
    "multi_process", False, "Join the other processes of a TPU pod or a cluster (jax.distributed)."
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator_address",
    None,
    "host:port of process 0, where no cluster manager tells it.",
)
_PROCESSES = flags.DEFINE_integer(
    "num_processes", None, "Number of processes, with --coordinator_address.", lower_bound=1
)
_PROCESS = flags.DEFINE_integer(
    "process_id", None, "This process, from 0, with --coordinator_address.", lower_bound=0
)


def chosen_experiment(experiment: Experiment) -> Experiment:
    """The configuration with the flags' values.

    Raises:
        ValueError: see `asd_jax.config.override`.
    """
    named = {
        "dataset": _dataset_name(_DATASET.value),
        "data_dir": _DATA_DIR.value,
        "mode": _MODE.value,
        "machine_types": ",".join(_MACHINE_TYPES.value)
        if _MACHINE_TYPES.value is not None
        else None,
    }
    settings = [f"data.{key}={value}" for key, value in named.items() if value is not None]
    chosen = override(experiment, settings + _SET.value)
    data = dataclasses.replace(chosen.data, data_dir=_everywhere(chosen.data.data_dir))
    return dataclasses.replace(chosen, data=data)


def _everywhere(folder: str) -> str:
    """A folder's name that means the same from every current folder; a bucket's name (gs://...) is one."""
    return folder if "://" in folder else str(terminal.user_path(folder).absolute())


def chosen_dataset() -> str | None:
    """The data set that a flag names, as `dcase2020`."""
    return _dataset_name(_DATASET.value)


def chosen_workdir(experiment: Experiment | None = None) -> Path:
    """The work directory that the flags name, or the experiment's own.

    Raises:
        ValueError: no flag names one and there is no experiment.
    """
    if _WORKDIR.value:
        return terminal.user_path(_WORKDIR.value)
    name = _VERSION.value or (experiment.name if experiment else None)
    if not name:
        raise ValueError("which run? Give --version=NAME or --workdir=DIR")
    return Path("runs") / name


def start() -> None:
    """Quiets the libraries' logs and joins other processes; must come before any other use of JAX."""
    if not flags.FLAGS["verbosity"].present:
        # Checkpointing logs a screenful a save, which tears the progress bar.
        logging.set_verbosity(logging.WARNING)
    for name in _DETECTOR_MODULE.value or []:
        load_detector_module(terminal.user_path(name))
    several = {"--num_processes": _PROCESSES.value, "--process_id": _PROCESS.value}
    given = [name for name, value in several.items() if value is not None]
    if given and not _COORDINATOR.value:
        raise ValueError(
            f"{given[0]} needs --coordinator_address=HOST:PORT, the address of process 0"
        )
    if _COORDINATOR.value and 0 < len(given) < len(several):
        (missing,) = several.keys() - set(given)
        raise ValueError(f"{given[0]} needs {missing} as well")
    if _PROCESSES.value and _PROCESS.value is not None and _PROCESS.value >= _PROCESSES.value:
        raise ValueError(
            f"--process_id={_PROCESS.value} of --num_processes={_PROCESSES.value}: they are counted from 0"
        )
    if _COORDINATOR.value and not re.fullmatch(r".+:\d{1,5}", _COORDINATOR.value):
        raise ValueError(f"--coordinator_address={_COORDINATOR.value}: write HOST:PORT")
    if _MULTI_PROCESS.value or _COORDINATOR.value:
        jax.distributed.initialize(_COORDINATOR.value, _PROCESSES.value, _PROCESS.value)


def expected_errors(exit_status: int = 1) -> AbstractContextManager[None]:
    """Ends the program with a message alone where the cause is no fault of the program; see `terminal`."""
    return terminal.expected_errors(exit_status, debug=logging.get_verbosity() >= logging.DEBUG)


def _dataset_name(name: str | None) -> str | None:
    return f"dcase{name}" if name and name.isdigit() else name
