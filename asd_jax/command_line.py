"""Flags that the launchers share, and how they become an experiment and a work directory."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import jax
from absl import flags, logging
from tfds_dcase import ArchiveError

from asd_jax.config import Experiment, override
from asd_jax.training.loop import NonFiniteLossError

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
_MULTI_PROCESS = flags.DEFINE_bool(
    "multi_process", False, "Join the other processes of a TPU pod or a cluster (jax.distributed)."
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator_address",
    None,
    "Address host:port of process 0, where no cluster manager tells it; implies --multi_process.",
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
    return override(experiment, settings + _SET.value)


def chosen_dataset() -> str | None:
    """The data set that a flag names, as `dcase2020`."""
    return _dataset_name(_DATASET.value)


def chosen_workdir(experiment: Experiment | None = None) -> Path:
    """The work directory that the flags name, or the experiment's own.

    Raises:
        ValueError: no flag names one and there is no experiment.
    """
    if _WORKDIR.value:
        return Path(_WORKDIR.value).expanduser()
    name = _VERSION.value or (experiment.name if experiment else None)
    if not name:
        raise ValueError("which run? Give --version=NAME or --workdir=DIR")
    return Path("runs") / name


def start() -> None:
    """Quiets the libraries' logs and joins other processes; must come before any other use of JAX."""
    if not flags.FLAGS["verbosity"].present:
        # Checkpointing logs a screenful a save, which tears the progress bar.
        logging.set_verbosity(logging.WARNING)
    if _MULTI_PROCESS.value or _COORDINATOR.value:
        jax.distributed.initialize(_COORDINATOR.value, _PROCESSES.value, _PROCESS.value)


@contextlib.contextmanager
def expected_errors(exit_status: int = 1) -> Iterator[None]:
    """Ends the program with a message alone where the cause is the user's input, not a fault of the program."""
    try:
        yield
    except (
        ArchiveError,
        FileNotFoundError,
        FileExistsError,
        NonFiniteLossError,
        ValueError,
    ) as error:
        if logging.get_verbosity() >= logging.DEBUG:
            raise
        print(f"error: {error}\n(--verbosity=1 shows where)", file=sys.stderr)
        sys.exit(exit_status)


def _dataset_name(name: str | None) -> str | None:
    return f"dcase{name}" if name and name.isdigit() else name
