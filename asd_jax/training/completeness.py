"""What an experiment asks for and the prepared data lack."""

import dataclasses
from collections.abc import Sequence

from tfds_dcase import ClipInfo, official_sections
from tfds_dcase_command.invocation import command

from asd_jax.config import DataConfig
from asd_jax.data.clips import Stage
from asd_jax.training.differences import listed

_STAGE_NAMES: dict[Stage, str] = {
    "dev": "development training clips",
    "eval": "additional training clips",
}
_OWN_RECORDINGS = "folder"


@dataclasses.dataclass(frozen=True)
class Completeness:
    """What is asked for beside what is there.

    Attributes:
        missing: what is asked for and not there, a sentence part each.
        classes: classes by machine type and section that are asked for; 0 where none are named.
    """

    missing: tuple[str, ...]
    classes: int


def completeness_of(data: DataConfig, clips: Sequence[ClipInfo]) -> Completeness:
    """Compares the training clips that are there with what the configuration names.

    Every stage of `train_stages`, every machine type of `machine_types` and, where a year's data are concerned, every
    stage's own machine types among them must be there; under `data.expects=official` every section of these as well.

    Args:
        data: the configuration, its `train_stages` spelled out.
        clips: all normal clips of these stages and machine types, held-out ones included.
    """
    there = {(_stage(clip), clip.machine_type, clip.section) for clip in clips}
    official = {stage: _official(data.dataset, stage) for stage in data.train_stages}
    is_strict = data.expects == "official" and any(official.values())
    missing: list[str] = []
    classes: set[tuple[str, str]] = set()
    named = set(data.machine_types)
    heard = {machine_type for _, machine_type, _ in there}
    for stage in data.train_stages:
        of_stage = official[stage]
        types = named or (set(of_stage) if is_strict else heard)
        absent = [name for name in types & set(of_stage) if not _sections(there, stage, name)]
        if not any(place[0] == stage for place in there):
            missing.append(f"all {_STAGE_NAMES[stage]}")
        elif absent:
            missing.append(f"{_STAGE_NAMES[stage]} of {listed(sorted(absent))}")
        for name in sorted(types & set(of_stage)) if is_strict else ():
            found = _sections(there, stage, name)
            lacking = sorted(set(of_stage[name]) - found)
            classes |= {(name, section) for section in of_stage[name]}
            if found and lacking:
                missing.append(f"{_STAGE_NAMES[stage]} of {name} {listed(lacking)}")
    unheard = sorted(named - heard - {name for known in official.values() for name in known})
    if unheard:
        missing.append(f"training clips of {listed(unheard)}")
    # Whole stages first: most follows from them.
    return Completeness(tuple(sorted(missing, key=_is_part)), len(classes))


def _is_part(missing: str) -> bool:
    return not missing.startswith("all ")


def require_complete(data: DataConfig, found: Completeness) -> None:
    """Refuses to train on less than the configuration asks for, unless it allows that.

    Raises:
        ValueError: something is missing; the message names it and the ways out.
    """
    if found.missing and data.incomplete == "error":
        wanted = f", {found.classes} machine IDs or sections in all" if found.classes else ""
        raise ValueError(
            f"the configuration asks for more than {data.dataset} in {data.data_dir} holds{wanted}; missing: "
            f"{listed(found.missing)}. Prepare them ({command('prepare')} --dataset={data.dataset}), ask for less with "
            "--machine_types or --set data.train_stages=dev, or train on what is there with "
            "--set data.incomplete=allow"
        )


def _stage(clip: ClipInfo) -> str:
    return clip.split.partition("_")[0]


def _sections(there: set[tuple[str, str, str]], stage: str, machine_type: str) -> set[str]:
    return {place[2] for place in there if place[:2] == (stage, machine_type)}


def _official(dataset: str, stage: Stage) -> dict[str, tuple[str, ...]]:
    return {} if dataset == _OWN_RECORDINGS else official_sections(dataset, stage)
