"""What a year's challenge asked to be scored: its sections, and the truth of its evaluation clips."""

from collections.abc import Mapping

from tfds_dcase.errors import Faults
from tfds_dcase.labels import Truth, read_ground_truth
from tfds_dcase.layouts import layout_of

_MACHINE_IDS_2020: dict[str, dict[str, tuple[int, ...]]] = {
    "dev": {"ToyCar": (1, 2, 3, 4), "ToyConveyor": (1, 2, 3), "": (0, 2, 4, 6)},
    "eval": {"ToyCar": (5, 6, 7), "ToyConveyor": (4, 5, 6), "": (1, 3, 5)},
}
_THREE_SECTIONS = {"dev": (0, 1, 2), "eval": (3, 4, 5)}


def official_sections(dataset: str | int, stage: str) -> dict[str, tuple[str, ...]]:
    """Sections (2020: machine IDs) of every machine type of a stage, as `section_00` or `id_00`.

    Args:
        dataset: `dcase2020`, or the year.
        stage: `dev` or `eval`.

    Raises:
        ArchiveError: For a year that has no layout.
    """
    layout = layout_of(dataset)
    types = {
        name: None for kind in layout.kinds if kind.stage == stage for name in kind.machine_types
    }
    return {name: _sections(layout.config, stage, name) for name in types}


def evaluation_truth(dataset: str | int) -> Mapping[tuple[str, str], Truth]:
    """Domain, label and attributes of a year's evaluation clips, by machine type and file name.

    Empty for a year whose truth is not out.

    Raises:
        ArchiveError: For a year that has no layout.
    """
    faults = Faults()
    truth = read_ground_truth(layout_of(dataset).config, None, faults)
    faults.raise_if_any("the packaged ground truth")
    return truth.truths


def _sections(config: str, stage: str, machine_type: str) -> tuple[str, ...]:
    if config == "dcase2020":
        ids = _MACHINE_IDS_2020[stage]
        return tuple(f"id_{number:02d}" for number in ids.get(machine_type, ids[""]))
    three = config in ("dcase2021", "dcase2022")
    return tuple(f"section_{number:02d}" for number in (_THREE_SECTIONS[stage] if three else (0,)))
