"""What the years hold: machine types, their sources, sections, clip lengths and channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tfds_dcase import official_sections
from tfds_dcase.layouts import layout_of

from asd_jax.simulation import industrial, toys
from asd_jax.simulation.appliances import APPLIANCES
from asd_jax.simulation.machine import Character, Machine

BUILDERS: dict[str, Callable[[Character], Machine]] = {
    "ToyCar": toys.toy_car,
    "ToyConveyor": toys.toy_conveyor,
    "ToyDrone": toys.toy_drone,
    "ToyNscale": toys.toy_n_scale,
    "ToyTank": toys.toy_tank,
    "ToyTrain": toys.toy_train,
    "Vacuum": industrial.vacuum,
    "bandsaw": industrial.bandsaw,
    "bearing": industrial.bearing,
    "fan": industrial.fan,
    "gearbox": industrial.gearbox,
    "grinder": industrial.grinder,
    "pump": industrial.pump,
    "shaker": industrial.shaker,
    "slider": industrial.slider,
    "valve": industrial.valve,
    # From 2024 on; what resembles an older machine type is built like it.
    "HoveringDrone": toys.hovering_drone,
    "ToyCircuit": toys.toy_circuit,
    "ToyPet": toys.toy_pet,
    "ToyRCCar": toys.toy_rc_car,
    "ToyCarEmu": toys.toy_car,
    "bearingEmu": industrial.bearing,
    "gearboxEmu": industrial.gearbox,
    "sliderEmu": industrial.slider,
    "valveEmu": industrial.valve,
    **APPLIANCES,
}


@dataclass(frozen=True)
class Roster:
    """One machine type in one year and stage.

    Attributes:
      sections: the official section numbers (2020: machine IDs).
      first_rank: the place of the first among all the type's sections of the year.
      seconds: official clip length.
      channels: 1, or 2 where a far microphone records beside the near one.
    """

    sections: tuple[int, ...]
    first_rank: int
    seconds: float
    channels: int = 1


_TOYS_2021 = {"ToyCar": 12.0, "ToyTrain": 12.0}
_TOYS_2024 = {"ToyCar": 8.0, "ToyTrain": 8.0}
# Clip lengths in s by year and machine type; 10 where none stands here.
_SECONDS: dict[int, dict[str, float]] = {
    2020: {"ToyCar": 11.0},
    2021: _TOYS_2021,
    2022: _TOYS_2021,
    2023: _TOYS_2021 | {"ToyDrone": 11.0, "Vacuum": 9.0, "grinder": 12.0, "shaker": 6.0},
    # Published as 6 to 10 s; which machine type has which is the simulator's choice.
    2024: _TOYS_2024
    | {
        "BrushlessMotor": 6.0,
        "HairDryer": 9.0,
        "HoveringDrone": 8.0,
        "RoboticArm": 7.0,
        "ToothBrush": 8.0,
        "ToyCircuit": 8.0,
    },
    2025: _TOYS_2024 | {"CoffeeGrinder": 7.0, "ScrewFeeder": 9.0, "ToyPet": 8.0, "ToyRCCar": 6.0},
    2026: {},
}


def rosters(year: int) -> dict[str, dict[str, Roster]]:
    """The year's machine types by stage (`dev`, `eval`).

    Raises:
      ValueError: the simulator does not know the year.
    """
    if year not in _SECONDS:
        raise ValueError(f"no simulation of year {year}: choose one of {sorted(_SECONDS)}")
    channels = layout_of(year).channels
    dev, evaluation = (official_sections(year, stage) for stage in ("dev", "eval"))
    return {
        stage: {
            name: Roster(
                sections=tuple(int(section.rpartition("_")[2]) for section in sections),
                first_rank=len(dev.get(name, ())) if stage == "eval" else 0,
                seconds=_SECONDS[year].get(name, 10.0),
                channels=channels,
            )
            for name, sections in types.items()
        }
        for stage, types in {"dev": dev, "eval": evaluation}.items()
    }
