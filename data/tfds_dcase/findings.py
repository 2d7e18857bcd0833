"""What a verification finds in a dataset, and how a report lists it."""

import collections
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tfds_dcase.errors import printable

_LISTED = 20


@dataclasses.dataclass(frozen=True)
class Finding:
    """One fault or remark.

    Attributes:
        kind: What findings are grouped by in a report, `unreadable records`.
        where: The file, or the clip and its record.
        what: What is wrong or odd there.
    """

    kind: str
    where: str
    what: str

    def __str__(self) -> str:
        # Clip ids come out of foreign archives: control characters must not reach a terminal.
        return printable(f"{self.where}: {self.what}")


def listed(findings: Iterable[Finding], advice: Mapping[str, str]) -> list[str]:
    """Lines of a report: findings by kind with their number, at most 20 of a kind in full.

    Args:
        findings: Faults, or remarks.
        advice: What to do about each kind; gives the order of the kinds too.
    """
    kinds = collections.defaultdict(list)
    for finding in findings:
        kinds[finding.kind].append(finding)
    return [line for kind in advice for line in _lines(kind, kinds[kind], advice[kind])]


def _lines(kind: str, findings: Sequence[Finding], advice: str) -> Iterator[str]:
    if findings:
        more = f", the first {_LISTED} are listed" if len(findings) > _LISTED else ""
        yield f"{kind} ({len(findings)}{more}). {advice}"
        for finding in findings[:_LISTED]:
            yield f"  {finding}"
