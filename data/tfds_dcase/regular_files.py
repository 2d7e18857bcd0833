"""Only regular files are opened: opening a pipe or a device would wait for ever."""

import stat
from pathlib import Path

from tfds_dcase.errors import ArchiveError, printable


def require_regular_file(path: Path, what: str) -> None:
    """Refuses whatever cannot be read from its start to its end.

    Args:
        path: Of a file that is to be opened; a link counts as what it leads to.
        what: What the file should be, for the message: `a table of labels`.

    Raises:
        FileNotFoundError: There is nothing.
        ArchiveError: It is a folder, a pipe, a socket or a device, or it cannot be looked at.
    """
    shown = printable(str(path))
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise FileNotFoundError(f"{shown} does not exist: name {what}, with its folder") from None
    except OSError as error:
        raise ArchiveError(
            f"{shown} cannot be read ({error.strerror}): name {what} that you may read"
        ) from error
    if not stat.S_ISREG(mode):
        raise ArchiveError(f"{shown} is {_kind(mode)}, not a file: name {what}")


def _kind(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something special")
