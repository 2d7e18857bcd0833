"""The table of clips that a prepared dataset holds."""

import collections
from collections.abc import Iterable, Iterator, Sequence

from etils import epath

from tfds_dcase.index import ClipInfo, read_index
from tfds_dcase.layouts import STAGES, layout_of
from tfds_dcase.provenance import Provenance, read_provenance

_COUNTS = ("train normal", "test normal", "test anomaly", "test unknown")
_COLUMNS = ("machine type", "section", "domain", *_COUNTS, "hours")


def summary(folder: epath.PathLike) -> str:
    """Clips by stage, machine type, section, domain and label with hours, then what was absent.

    Args:
        folder: The dataset's version directory.

    Raises:
        ArchiveError: The dataset is not finished.
    """
    clips = read_index(folder)
    provenance = read_provenance(epath.Path(folder))
    blocks = [
        f"{STAGES[stage]} data\n{_table(of_stage)}"
        for stage in STAGES
        if (of_stage := [clip for clip in clips if clip.split.startswith(f"{stage}_")])
    ]
    if provenance.absent:
        blocks.append("\n".join(["archives that were not there", *_absent(provenance, folder)]))
    blocks += provenance.notes
    return "\n\n".join(blocks)


def _absent(provenance: Provenance, folder: epath.PathLike) -> Iterator[str]:
    for kind in layout_of(epath.Path(folder).parent.name).kinds:
        types = [name for name in kind.machine_types if kind.file_name(name) in provenance.absent]
        if len(types) == len(kind.machine_types):
            types = [f"all {len(types)}"]
        if types:
            yield f"{kind.name.format(machine_type='<machine type>')}: {', '.join(types)}"


def _table(clips: Sequence[ClipInfo]) -> str:
    groups = collections.defaultdict(list)
    for clip in clips:
        groups[clip.machine_type, clip.section, clip.domain].append(clip)
    rows = [(*names, *_cells(group)) for names, group in sorted(groups.items())]
    return _aligned([_COLUMNS, *rows, ("all", "", "", *_cells(clips))])


def _cells(clips: Iterable[ClipInfo]) -> list[str]:
    counts: collections.Counter[str] = collections.Counter()
    seconds = 0.0
    for clip in clips:
        counts[f"{clip.split.split('_')[1]} {clip.label}"] += 1
        seconds += clip.samples / clip.sample_rate
    return [*(str(counts[column]) for column in _COUNTS), f"{seconds / 3600:.2f}"]


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    names = len(_COLUMNS) - len(_COUNTS) - 1
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place < names else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
