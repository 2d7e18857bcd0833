"""One process at a time in a folder."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from tfds_dcase.errors import ArchiveError


@contextlib.contextmanager
def locked(path: Path, doing: str) -> Iterator[None]:
    """Holds a lock file, whose folder is made where it is missing.

    Args:
        path: The lock file; it stays.
        doing: What another process must be doing when it holds the lock, for the message.

    Raises:
        ArchiveError: Another process holds it, or the folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.fdopen(_opened(path), "rb")
    except OSError as error:
        raise ArchiveError(
            f"{path.parent} cannot be written to ({error.strerror}). Permit it, or name another "
            "folder"
        ) from error
    with file:
        try:
            # The system lets go of it when the process dies, however it dies.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ArchiveError(f"another process is {doing}. Wait for it to end") from error
        yield


def _opened(path: Path) -> int:
    """A descriptor of the lock file, whoever made it: in a folder of many users it is another's."""
    with contextlib.suppress(FileNotFoundError):
        try:
            return os.open(path, os.O_RDWR)
        except PermissionError:
            return os.open(path, os.O_RDONLY)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    with contextlib.suppress(PermissionError):
        # Shared file systems lock only what may be written to.
        os.fchmod(descriptor, 0o666)
    return descriptor
