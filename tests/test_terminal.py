"""How a command ends: a sentence and a status for what is no fault of the program, a traceback for what is."""

import errno
import os
from pathlib import Path

import pytest
from tfds_dcase_command.terminal import (
    INTERRUPTED,
    PIPE_CLOSED,
    ExpectedError,
    expected_errors,
    user_path,
)

from asd_jax.training.interruption import TrainingInterruptedError


def os_error(number: int, name: str | None = "runs/x") -> OSError:
    return OSError(number, os.strerror(number), name)


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (
            KeyboardInterrupt(),
            INTERRUPTED,
            "interrupted: what is whole stays; run the same command",
        ),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), PIPE_CLOSED, ""),
        (os_error(errno.EACCES), 7, "error: runs/x: no permission"),
        (os_error(errno.EPERM), 7, "error: runs/x: no permission"),
        (os_error(errno.EROFS), 7, "error: runs/x: nothing can be written there"),
        (os_error(errno.ENOSPC), 7, "error: runs/x: no space is left there: free some, then run"),
        (os_error(errno.ENOSPC, None), 7, "error: a file: no space is left there"),
        (os_error(errno.EDQUOT), 7, "your share of the disk is used up"),
        (os_error(errno.EISDIR), 7, "error: runs/x: it is a folder, where a file is needed"),
        (os_error(errno.ENOTDIR), 7, "error: runs/x: a file stands where a folder is needed"),
        (os_error(errno.ENOENT), 7, "error: runs/x: it does not exist"),
        (os_error(errno.ENAMETOOLONG), 7, "the name is too long"),
        (os_error(errno.ELOOP), 7, "links lead round in a circle"),
        (FileNotFoundError("no configuration a.py"), 7, "error: no configuration a.py\n"),
        (FileExistsError("results holds notes.txt"), 7, "error: results holds notes.txt\n"),
        (ValueError("epochs: 3 or more"), 7, "error: epochs: 3 or more\n"),
        (
            MemoryError("Unable to allocate 9 GiB"),
            7,
            "not enough memory (Unable to allocate 9 GiB)",
        ),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory"), 7, "give smaller portions (--set"),
        (ExpectedError("loss not finite"), 7, "loss not finite\n"),
        (TrainingInterruptedError("stopped and saved at step 3"), 143, "stopped and saved"),
    ],
)
def test_what_is_no_fault_of_the_program_is_one_sentence(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, told: str
) -> None:
    with pytest.raises(SystemExit) as stop, expected_errors(7):
        raise error
    assert stop.value.code == status
    said = capsys.readouterr()
    assert told in said.err
    assert said.out == ""


@pytest.mark.parametrize(
    "error",
    [
        TypeError("fault"),
        RuntimeError("fault"),
        KeyError("fault"),
        OSError("fault"),
        os_error(errno.EIO),
    ],
)
def test_a_fault_of_the_program_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error), match=r"fault|Input/output"), expected_errors():
        raise error


def test_wrong_input_shows_its_traceback_where_asked_for() -> None:
    with pytest.raises(ValueError, match="epochs"), expected_errors(debug=True):
        raise ValueError("epochs")


@pytest.mark.parametrize("text", ["~/runs", "~", "runs/x", "./x", "/x/~y"])
def test_a_path_means_the_same_wherever_it_is_named(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("HOME", "/home/who")
    assert user_path(text) == Path(text.replace("~", "/home/who") if text[0] == "~" else text)


@pytest.mark.parametrize("text", ["~nobody-of-this-name/x", "a\0b"])
def test_a_path_that_is_none_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"nobody-of-this-name|is no path"):
        user_path(text)
