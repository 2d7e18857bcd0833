"""How a command ends: a sentence and an exit status for whatever is no fault of the program.

The programs import it before anything else, so it imports nothing heavy, and sets what a Ctrl-C during the other
imports shows.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

INTERRUPTED = 130
PIPE_CLOSED = 141
TERMINATED = 143
"""Exit statuses as shells write them: 128 and the number of the signal."""

_AGAIN = "run the same command again to go on"
_CURES = {
    errno.EACCES: "no permission: choose another place, or ask for the permission",
    errno.EPERM: "no permission: choose another place, or ask for the permission",
    errno.EROFS: "nothing can be written there: choose another place",
    errno.ENOSPC: f"no space is left there: free some, then {_AGAIN}",
    errno.EDQUOT: f"your share of the disk is used up: free some, then {_AGAIN}",
    errno.EISDIR: "it is a folder, where a file is needed: choose another name",
    errno.ENOTDIR: "a file stands where a folder is needed: choose another name",
    errno.EEXIST: "it is there already: choose another name",
    errno.ENOENT: "it does not exist",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
    errno.ELOOP: "its links lead round in a circle: name the file itself",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n)",
}


class ExpectedError(Exception):
    """A message for the user, with the exit status of the command; no fault of the program.

    Attributes:
        status: the exit status; None leaves it to the command.
    """

    status: int | None = None


@contextlib.contextmanager
def expected_errors(exit_status: int = 1, debug: bool = False) -> Iterator[None]:
    """Ends the program with a message alone where the cause is the user's input, the machine or a signal.

    Args:
        exit_status: for wrong input.
        debug: show tracebacks all the same.
    """
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        _end(f"\ninterrupted: what is whole stays; {_AGAIN}", INTERRUPTED)
    except BrokenPipeError:
        leave_closed_pipe()
    except ExpectedError as error:
        _end(str(error), exit_status if error.status is None else error.status)
    except (OSError, ValueError) as error:
        told = sentence(error)
        if told is None or debug:
            raise
        _end(f"error: {told}\n(--verbosity=1 shows where)", exit_status)
    except (MemoryError, RuntimeError) as error:
        # JAX's error, whose class is not to be imported here, says so in its text.
        is_full = isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error)[:200]
        if not is_full or debug:
            raise
        told = (str(error).strip() or "out of memory").splitlines()[0][:300]
        _end(
            f"error: not enough memory ({told}): give smaller portions (--set training.batch_size=N, --set "
            f"evaluation.batch_size=N), or a machine with more\n(--verbosity=1 shows where)",
            exit_status,
        )


def sentence(error: OSError | ValueError) -> str | None:
    """What an error says to a user; None for one that only a traceback explains."""
    if not isinstance(error, OSError) or error.errno is None:
        is_foreign = type(error).__module__ == "builtins" and type(error) is OSError
        return None if is_foreign else str(error)
    cure = _CURES.get(error.errno)
    if cure is None:
        return None
    return f"{error.filename if error.filename is not None else 'a file'}: {cure}"


def user_path(text: str) -> Path:
    """The path that a user names on a command line or in a setting; `~` is the home folder.

    Raises:
        ValueError: there is no such user, or the text holds what no path can.
    """
    if "\0" in text:
        raise ValueError(f"{text!r} is no path")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{text}: {error}") from error


def leave_closed_pipe() -> None:
    """Whoever read the output has gone; Python would write to it once more on leaving."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(PIPE_CLOSED)


def _end(message: str, status: int) -> None:
    with contextlib.suppress(BrokenPipeError):
        print(message, file=sys.stderr)
    sys.exit(status)


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print("\ninterrupted", file=sys.stderr)
        return
    _usual_hook(kind, error, trace)


_usual_hook = sys.excepthook
sys.excepthook = _uncaught
