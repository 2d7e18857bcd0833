"""What the years hold: machine types, sections, clip lengths and operating conditions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from asd_jax.simulation import industrial, toys
from asd_jax.simulation.machine import Character, Condition, Machine

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
}


@dataclass(frozen=True)
class Roster:
    """One machine type in one year and stage.

    Attributes:
      sections: the official section numbers (2020: machine IDs).
      first_rank: the place of the first among all the type's sections of the year.
      seconds: official clip length.
    """

    sections: tuple[int, ...]
    first_rank: int
    seconds: float


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


def _year_2023() -> dict[str, dict[str, Roster]]:
    return {
        "dev": {name: Roster((0,), 0, s) for name, s in _SECONDS_2023_DEV.items()},
        "eval": {name: Roster((0,), 0, s) for name, s in _SECONDS_2023_EVAL.items()},
    }


def rosters(year: int) -> dict[str, dict[str, Roster]]:
    """The year's machine types by stage (`dev`, `eval`).

    Raises:
      ValueError: the simulator does not know the year.
    """
    years = {2020: _year_2020, 2021: _year_2021, 2022: _year_2022, 2023: _year_2023}
    if year not in years:
        raise ValueError(f"no simulation of year {year}: choose one of {sorted(years)}")
    return years[year]()


@dataclass(frozen=True)
class _Operation:
    """How a machine type is run: attribute pattern, its values by domain, the target's shift."""

    pattern: str
    source: tuple[str, ...]
    target: tuple[str, ...]
    speed: float = 1.12
    load: float = 1.5
    noise: float = 0.0

    def conditions(self, domain: str) -> tuple[Condition, ...]:
        shifted = domain == "target"
        values = self.target if shifted else self.source
        # Values within a domain differ by three per cent of speed.
        return tuple(
            Condition(
                domain,
                self.pattern.format(value),
                (self.speed if shifted else 1.0) * (1.0 + 0.03 * (i - (len(values) - 1) / 2)),
                self.load if shifted else 0.0,
                self.noise if shifted else 0.0,
            )
            for i, value in enumerate(values)
        )


_OPERATIONS = {
    "ToyCar": _Operation("car_A1_spd_{}_mic_1_noise_1", ("28V", "31V"), ("34V", "40V")),
    "ToyConveyor": _Operation("spd_{}", ("2", "3"), ("4", "5")),
    "ToyDrone": _Operation("car_A1_spd_{}_mic_1", ("1", "2"), ("3", "4")),
    "ToyNscale": _Operation("car_B1_spd_{}_mic_1", ("2", "3"), ("4", "5")),
    "ToyTank": _Operation("car_B2_spd_{}_mic_1", ("3", "4"), ("5", "6")),
    "ToyTrain": _Operation("car_A1_spd_{}_mic_1_noise_1", ("8", "9"), ("10", "11")),
    "Vacuum": _Operation("car_A1_spd_{}_mic_1", ("L", "M"), ("H", "Hb"), 1.15),
    "bandsaw": _Operation("vel_{}", ("12", "13"), ("14", "15")),
    "bearing": _Operation("vel_{}_loc_A", ("6", "10"), ("14", "18"), 1.15),
    "fan": _Operation("f-n_{}", ("A", "B"), ("C", "D"), 1.04, 0.0, -4.0),
    "gearbox": _Operation("volt_{}_wt_100", ("1.5", "2.0"), ("2.5", "3.0"), 1.15, 2.0),
    "grinder": _Operation("grindstone_{}_plate_1", ("1", "2"), ("3", "4"), 1.06, 2.5),
    "pump": _Operation("f-n_{}", ("A", "B"), ("C", "D"), 1.05, 1.0, -3.0),
    "shaker": _Operation("speed_{}", ("1000", "1200"), ("1500", "1600"), 1.2),
    "slider": _Operation("vel_{}", ("300", "500"), ("700", "900"), 1.2, 1.0),
    "valve": _Operation("pat_{}", ("00", "01"), ("02", "03"), 1.15, 0.0),
}


def conditions(year: int, machine_type: str, domain: str) -> tuple[Condition, ...]:
    """The operating conditions of a machine type in a domain; 2020 knows one, without a name."""
    # The 2020 names hold no attributes.
    if year == 2020:
        return (Condition(),)
    return _OPERATIONS[machine_type].conditions(domain)
