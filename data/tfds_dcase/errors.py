"""The one exception of the package and the list of faults that it reports."""

import dataclasses

_LISTED = 20


class ArchiveError(ValueError):
    """Archives, clips or a prepared dataset are not as they must be; the message has the cure."""


@dataclasses.dataclass
class Faults:
    """Faults found so far, so that one run reports all of them instead of the first."""

    lines: list[str] = dataclasses.field(default_factory=list)

    def add(self, where: str, what: str, cure: str) -> None:
        """Notes one fault.

        Args:
            where: The archive and, after a colon, the clip.
            what: What is wrong there.
            cure: What the user does about it.
        """
        # Names come out of foreign archives: control characters must not reach a terminal.
        self.lines.append(f"{printable(where)}: {printable(what)}. {cure}")

    def raise_if_any(self, task: str) -> None:
        """Raises ArchiveError naming `task` and the faults when there are some."""
        if not self.lines:
            return
        count = len(self.lines)
        heading = f"{task}: {count} fault{'s' if count > 1 else ''}"
        if count > _LISTED:
            heading += f", the first {_LISTED} of them are listed"
        raise ArchiveError("\n  ".join([heading, *self.lines[:_LISTED]]))


def printable(text: str) -> str:
    """The text, its control characters written out."""
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
