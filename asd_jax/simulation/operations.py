"""How each machine type is run: its operating conditions by domain, as the official names tell."""

from __future__ import annotations

from dataclasses import dataclass, replace

from asd_jax.simulation.machine import Condition

NO_ATTRIBUTE = "noAttribute"


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
    "3DPrinter": _Operation("mdl_A_spd_{}", ("1", "2"), ("3", "4"), 1.15, 0.0),
    "AirCompressor": _Operation(NO_ATTRIBUTE, ("", ""), ("", ""), 1.06, 2.0),
    "BrushlessMotor": _Operation("spd{}_BckgA", ("1000", "1200"), ("1300", "1500"), 1.15, 0.0),
    "HairDryer": _Operation("id_A1_spd_{}_mic_1", ("2", "3"), ("1", "4"), 1.12, 0.0),
    "HoveringDrone": _Operation(NO_ATTRIBUTE, ("", ""), ("", ""), 1.08, 1.0),
    "RoboticArm": _Operation("weight{}_BckgA", ("00", "10"), ("25", "30"), 1.08, 3.0),
    "Scanner": _Operation("res_{}_len_1", ("1", "2"), ("3", "4"), 1.15, 0.0),
    "ToothBrush": _Operation(NO_ATTRIBUTE, ("", ""), ("", ""), 1.06, 2.0),
    "ToyCircuit": _Operation("id_A1_spd_{}_mic_1", ("2", "3"), ("1", "4")),
    "AutoTrash": _Operation("id_{}_spd_1_mic_2", ("A1", "B1"), ("C1", "C2"), 1.12, 1.0),
    "BandSealer": _Operation("spd_{}_n_D", ("1", "3"), ("5", "6")),
    "CoffeeGrinder": _Operation("grind_{}_bkg_A", ("0", "100"), ("200", "300"), 1.06, 3.0),
    "HomeCamera": _Operation("id_A1_spd_{}_mic_3", ("2", "3"), ("1", "4"), 1.15, 0.0),
    "Polisher": _Operation("pow_{}_n_A", ("1", "3"), ("4", "5"), 1.12, 1.0),
    "ScrewFeeder": _Operation("vol_{}", ("12000", "12750"), ("14250", "15000"), 1.12, 1.0),
    "ToyPet": _Operation("id_{}_spd_1_mic_2", ("A1", "B1"), ("C1", "C2")),
    "ToyRCCar": _Operation("id_{}_spd_1_mic_2", ("A1", "B1"), ("C1", "C2")),
    "BlowerDustCollector": _Operation("pow_{}", ("1", "2"), ("3", "4"), 1.06, 0.0),
    "Sander": _Operation("grain_{}", ("80", "120"), ("180", "240"), 1.06, 2.0),
    "SewingMachine": _Operation("spd_{}", ("1", "2"), ("3", "4"), 1.15, 1.0),
}
# An emulated machine is run as the machine that it stands for.
_OPERATIONS |= {
    f"{name}Emu": _OPERATIONS[name] for name in ("ToyCar", "bearing", "gearbox", "slider", "valve")
}
# Some machine types of development keep theirs back too; which ones in 2024 is an assumption.
_WITHHELD = {2024: ("ToyTrain", "gearbox", "slider"), 2025: ("bearing",)}


def conditions(year: int, machine_type: str, domain: str) -> tuple[Condition, ...]:
    """The operating conditions of a machine type in a domain; 2020 knows one, without a name."""
    # The 2020 names hold no attributes.
    if year == 2020:
        return (Condition(),)
    run = _OPERATIONS[machine_type].conditions(domain)
    if machine_type in _WITHHELD.get(year, ()):
        # The machine runs on as before: only its name says no more.
        return tuple(replace(condition, attributes=NO_ATTRIBUTE) for condition in run)
    return run
