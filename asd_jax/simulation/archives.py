"""Layout and names of the official archives: which clip stands where, and under which name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from asd_jax.simulation.catalogue import Roster
from asd_jax.simulation.machine import Condition
from asd_jax.simulation.operations import conditions
from asd_jax.simulation.scene import stream


@dataclass(frozen=True)
class SimulationSize:
    """How much is written.

    Attributes:
      sections: machine IDs or sections of a type, at most as many as the official data have.
      train: training clips a section.
      test_normal: normal test clips a section, shared evenly between its domains.
      test_anomaly: anomalous test clips a section, likewise.
    """

    sections: int = 2
    train: int = 40
    test_normal: int = 10
    test_anomaly: int = 10

    def __post_init__(self) -> None:
        for name, least in {"sections": 1, "train": 1, "test_normal": 0, "test_anomaly": 0}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least {least}")


SIZES = {
    "demo": SimulationSize(),
    "small": SimulationSize(sections=3, train=120, test_normal=40, test_anomaly=40),
    "full": SimulationSize(sections=4, train=1000, test_normal=100, test_anomaly=100),
}


# The first release of these was replaced; evaluation test archives were not.
_SECOND_RELEASES = {(2024, "3DPrinter"), (2024, "RoboticArm"), (2026, "ToyCar")}


@dataclass(frozen=True)
class Recording:
    """One clip of an archive.

    Attributes:
      path: its official path inside the zip.
      section: section number.
      condition: domain and attributes.
      part: train or test.
      label: normal or anomaly.
      index: its number among the clips of its section, part, domain and label.
    """

    path: str
    section: int
    condition: Condition
    part: str
    label: str
    index: int


def archives(
    year: int, machine_type: str, stage: str, roster: Roster, size: SimulationSize
) -> dict[str, list[Recording]]:
    """The archives of one machine type and stage: name -> clips in the order of the zip."""
    # The first sections in official order, so that a larger size only appends.
    sections = roster.sections[: size.sections]
    train = [r for s in sections for r in _train(year, machine_type, s, size.train)]
    test = [r for s in sections for r in _test(year, machine_type, s, size)]
    train = [replace(r, path=_train_path(year, machine_type, r)) for r in train]
    if stage == "dev":
        test = [replace(r, path=_test_path(year, machine_type, r)) for r in test]
        return {_archive_name(year, machine_type, stage): train + test}
    return {
        _archive_name(year, machine_type, stage, "train"): train,
        _archive_name(year, machine_type, stage, "test"): list(_hidden(year, machine_type, test)),
    }


def _archive_name(year: int, machine_type: str, stage: str, part: str = "") -> str:
    """The official file name; `part` (train or test) counts in evaluation archives."""
    release = "_r2" if (year, machine_type) in _SECOND_RELEASES and part != "test" else ""
    if stage == "dev":
        prefix = "dev" if year >= 2022 else "dev_data"
        return f"{prefix}_{machine_type}{release}.zip"
    if year == 2020:
        return f"eval_data_{part}_{machine_type}.zip"
    return f"eval_data_{machine_type}_{part}{release}.zip"


def section_name(year: int, section: int) -> str:
    """`id_05` in 2020, `section_03` later."""
    return f"id_{section:02d}" if year == 2020 else f"section_{section:02d}"


def _train(year: int, machine_type: str, section: int, clips: int) -> Iterator[Recording]:
    # The official data hold 3 (2021) or 10 (from 2022 on) target clips in 1000; a few are needed to
    # adapt to at all, so small sets hold proportionally more.
    few = 3 if year == 2021 else max(3, clips // 100)
    target = 0 if year == 2020 else min(few, clips - 1)
    for domain, count in {"source": clips - target, "target": target}.items():
        yield from _part(year, machine_type, section, "train", "normal", domain, count)


def _test(year: int, machine_type: str, section: int, size: SimulationSize) -> Iterator[Recording]:
    for label, clips in {"normal": size.test_normal, "anomaly": size.test_anomaly}.items():
        target = 0 if year == 2020 else clips // 2
        for domain, count in {"source": clips - target, "target": target}.items():
            yield from _part(year, machine_type, section, "test", label, domain, count)


def _part(
    year: int, machine_type: str, section: int, part: str, label: str, domain: str, count: int
) -> Iterator[Recording]:
    run = conditions(year, machine_type, domain)
    for index in range(count):
        yield Recording("", section, run[index % len(run)], part, label, index)


def _train_path(year: int, machine_type: str, clip: Recording) -> str:
    if year == 2020:
        return f"{machine_type}/train/normal_id_{clip.section:02d}_{clip.index:08d}.wav"
    return f"{machine_type}/train/{_stem(clip)}_{clip.condition.attributes}.wav"


def _test_path(year: int, machine_type: str, clip: Recording) -> str:
    if year == 2020:
        return f"{machine_type}/test/{clip.label}_id_{clip.section:02d}_{clip.index:08d}.wav"
    if year == 2021:
        return f"{machine_type}/{clip.condition.domain}_test/{_stem(clip)}.wav"
    return f"{machine_type}/test/{_stem(clip)}_{clip.condition.attributes}.wav"


def _stem(clip: Recording) -> str:
    domain = clip.condition.domain
    return f"section_{clip.section:02d}_{domain}_{clip.part}_{clip.label}_{clip.index:04d}"


def _hidden(year: int, machine_type: str, clips: list[Recording]) -> Iterator[Recording]:
    """Evaluation test clips, shuffled and renumbered so that a name hides what is official."""

    # Independent of the seed: a name then means the same clip in every simulation of a size.
    def lot(clip: Recording) -> float:
        names = (clip.section, clip.condition.domain, clip.label, clip.index)
        return float(stream(year, machine_type, *names).random())

    numbered: dict[str, int] = {}
    for clip in sorted(clips, key=lambda c: (c.section, lot(c))):
        folder, stem = "test", section_name(year, clip.section)
        if year == 2021:
            folder = f"{clip.condition.domain}_test"
            stem = f"{stem}_{folder}"
        number = numbered.get(stem, 0)
        numbered[stem] = number + 1
        width = 8 if year == 2020 else 4
        yield replace(clip, path=f"{machine_type}/{folder}/{stem}_{number:0{width}d}.wav")
