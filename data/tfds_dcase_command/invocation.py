"""How the user called the program, so that a message can name the next command as it can be typed."""

import shlex
import shutil
import sys
from pathlib import Path

_called = ""
_files: dict[str, str] = {}


def note_program(name: str, module: str = "") -> None:
    """Notes the program that runs: `asd`, or `python -m asd_jax` where it was called so.

    Args:
        name: Of its console command.
        module: Of its package, for `python -m`.
    """
    global _called
    typed = Path(sys.argv[0])
    if typed.name == "__main__.py":
        _called = f"python -m {module}"
    elif typed.name == name and typed.is_file() and shutil.which(name) != str(typed.absolute()):
        # The shell does not find it by its name: as it was typed.
        _called = shlex.quote(str(typed))
    else:
        _called = name


def note_launcher(files: dict[str, str]) -> None:
    """Notes that a file such as `launch/train.py` was started: the next ones lie beside it.

    Args:
        files: File name by command.
    """
    global _called
    folder = Path(sys.argv[0]).parent
    _called = ""
    _files.clear()
    _files.update(
        {command: f"python {shlex.quote(str(folder / file))}" for command, file in files.items()}
    )


def command(name: str, program: str = "asd") -> str:
    """A command as it can be typed here: `asd train`, `python launch/train.py`.

    Args:
        name: Of the command.
        program: That has it, where none is known to run.
    """
    return _files.get(name) or f"{_called or program} {name}"
