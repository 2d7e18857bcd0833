"""What the years hold: machine types, their sources, sections, clip lengths and channels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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


_MIMII_2020 = ("fan", "pump", "slider", "valve")
_TYPES_2021 = ("ToyCar", "ToyTrain", "fan", "gearbox", "pump", "slider", "valve")
_SECONDS_2023_DEV = {
    "ToyCar": 12.0,
    "ToyTrain": 12.0,
    "bearing": 10.0,
    "fan": 10.0,
    "gearbox": 10.0,
    "slider": 10.0,
    "valve": 10.0,
}
_SECONDS_2023_EVAL = {
    "ToyDrone": 11.0,
    "ToyNscale": 10.0,
    "ToyTank": 10.0,
    "Vacuum": 9.0,
    "bandsaw": 10.0,
    "grinder": 12.0,
    "shaker": 6.0,
}
# Published as 6 to 10 s; which machine type has which is the simulator's choice.
_SECONDS_2024_DEV = {
    "ToyCar": 8.0,
    "ToyTrain": 8.0,
    "bearing": 10.0,
    "fan": 10.0,
    "gearbox": 10.0,
    "slider": 10.0,
    "valve": 10.0,
}
_SECONDS_2024_EVAL = {
    "3DPrinter": 10.0,
    "AirCompressor": 10.0,
    "BrushlessMotor": 6.0,
    "HairDryer": 9.0,
    "HoveringDrone": 8.0,
    "RoboticArm": 7.0,
    "Scanner": 10.0,
    "ToothBrush": 8.0,
    "ToyCircuit": 8.0,
}
_SECONDS_2025_EVAL = {
    "AutoTrash": 10.0,
    "BandSealer": 10.0,
    "CoffeeGrinder": 7.0,
    "HomeCamera": 10.0,
    "Polisher": 10.0,
    "ScrewFeeder": 9.0,
    "ToyPet": 8.0,
    "ToyRCCar": 6.0,
}
_TYPES_2026_DEV = (
    "ToyCar",
    "ToyCarEmu",
    "bearingEmu",
    "fan",
    "gearboxEmu",
    "sliderEmu",
    "valveEmu",
)
_TYPES_2026_EVAL = ("BlowerDustCollector", "Sander", "SewingMachine", "ToothBrush", "ToyDrone")


def _year_2020() -> dict[str, dict[str, Roster]]:
    dev = {name: Roster((0, 2, 4, 6), 0, 10.0) for name in _MIMII_2020}
    evaluation = {name: Roster((1, 3, 5), 4, 10.0) for name in _MIMII_2020}
    dev |= {
        "ToyCar": Roster((1, 2, 3, 4), 0, 11.0),
        "ToyConveyor": Roster((1, 2, 3), 0, 10.0),
    }
    evaluation |= {
        "ToyCar": Roster((5, 6, 7), 4, 11.0),
        "ToyConveyor": Roster((4, 5, 6), 3, 10.0),
    }
    return {"dev": dev, "eval": evaluation}


def _three_sections(names: tuple[str, ...]) -> dict[str, dict[str, Roster]]:
    length = {name: 12.0 if name.startswith("Toy") else 10.0 for name in names}
    return {
        "dev": {name: Roster((0, 1, 2), 0, length[name]) for name in names},
        "eval": {name: Roster((3, 4, 5), 3, length[name]) for name in names},
    }


def _year_2021() -> dict[str, dict[str, Roster]]:
    return _three_sections(_TYPES_2021)


def _year_2022() -> dict[str, dict[str, Roster]]:
    return _three_sections(tuple(_SECONDS_2023_DEV))


def _first_shot(
    dev: dict[str, float], evaluation: dict[str, float], channels: int = 1
) -> dict[str, dict[str, Roster]]:
    """One section of each machine type, with the clip lengths given in s."""
    return {
        stage: {name: Roster((0,), 0, s, channels) for name, s in seconds.items()}
        for stage, seconds in {"dev": dev, "eval": evaluation}.items()
    }


def _year_2023() -> dict[str, dict[str, Roster]]:
    return _first_shot(_SECONDS_2023_DEV, _SECONDS_2023_EVAL)


def _year_2024() -> dict[str, dict[str, Roster]]:
    return _first_shot(_SECONDS_2024_DEV, _SECONDS_2024_EVAL)


def _year_2025() -> dict[str, dict[str, Roster]]:
    return _first_shot(_SECONDS_2024_DEV, _SECONDS_2025_EVAL)


def _year_2026() -> dict[str, dict[str, Roster]]:
    dev, evaluation = (dict.fromkeys(t, 10.0) for t in (_TYPES_2026_DEV, _TYPES_2026_EVAL))
    return _first_shot(dev, evaluation, channels=2)


_YEARS = {
    2020: _year_2020,
    2021: _year_2021,
    2022: _year_2022,
    2023: _year_2023,
    2024: _year_2024,
    2025: _year_2025,
    2026: _year_2026,
}


def rosters(year: int) -> dict[str, dict[str, Roster]]:
    """The year's machine types by stage (`dev`, `eval`).

    Raises:
      ValueError: the simulator does not know the year.
    """
    if year not in _YEARS:
        raise ValueError(f"no simulation of year {year}: choose one of {sorted(_YEARS)}")
    return _YEARS[year]()
