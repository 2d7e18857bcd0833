"""Owners of files that the system knows by number alone, as in a container that runs under any uid."""

import contextlib
import grp
import pwd
from collections.abc import Iterator


@contextlib.contextmanager
def numbers_for_names() -> Iterator[None]:
    """Lets libraries ask for the names of a file's owner and group where the system has none.

    Etils asks for both whenever a file's size is asked for, and fails without them; nobody reads them.
    """
    user_of, group_of = pwd.getpwuid, grp.getgrgid

    def user(number: int) -> pwd.struct_passwd:
        try:
            return user_of(number)
        except KeyError:
            return pwd.struct_passwd((str(number), "", number, number, "", "/", ""))

    def group(id: int) -> grp.struct_group:
        try:
            return group_of(id)
        except KeyError:
            return grp.struct_group((str(id), "", id, []))

    pwd.getpwuid, grp.getgrgid = user, group
    try:
        yield
    finally:
        pwd.getpwuid, grp.getgrgid = user_of, group_of
