"""One training at a time in a work directory."""

import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import jax
from absl import logging

LOCK_FILE = ".training.lock"
_NOT_SUPPORTED = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


@contextlib.contextmanager
def only_training(workdir: Path) -> Iterator[None]:
    """Holds a work directory for this training; the system lets go of it when the process ends, however it does.

    Of several processes of one training the first holds it.

    Args:
        workdir: created where missing.

    Raises:
        ValueError: another training holds it; the message names its process and host.
    """
    if jax.process_index() > 0:
        yield
        return
    workdir.mkdir(parents=True, exist_ok=True)
    path = workdir / LOCK_FILE
    with path.open("a+") as file:
        _hold(file.fileno(), path)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _hold(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        with path.open() as file:
            holder = file.read(200).strip() or "another process"
        raise ValueError(
            f"{path.parent} is being trained by {holder}: wait for it, or choose another --version or --workdir"
        ) from error
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:
            raise
        logging.warning(
            "%s lies where files cannot be locked: do not start a second training there", path
        )
