"""Physical faults: each changes a machine's parameters or adds a source to it.

`severity` runs from 0.2 (incipient) to 1 (heavy). No fault is made by loudness: the scene
normalises every clip afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from asd_jax.simulation.machine import Machine
from asd_jax.simulation.sources import Envelope, Noise, Strikes, Tones

Fault = Callable[[Machine, float, np.random.Generator], Machine]


def _either_way(low: float, high: float, severity: float, rng: np.random.Generator) -> float:
    """A factor above or below one whose size grows with the severity."""
    change = 1.0 + low + (high - low) * severity
    return float(change if rng.random() < 0.5 else 1.0 / change)


def _detuned(machine: Machine, factor: float, sharper: float = 0.0) -> Machine:
    """The machine with its body resonances shifted by a factor and raised by `sharper` dB."""
    body = tuple((centre * factor, width, gain + sharper) for centre, width, gain in machine.body)
    return replace(machine, body=body)


def imbalance(machine: Machine, severity: float, rng: np.random.Generator) -> Machine:
    """A heavy spot: strong low orders, noise that pulses once a revolution, lost speed."""
    # The shaking rotor changes its gaps, and with them whatever noise passes through.
    shaken = machine.every(
        Noise,
        lambda noise: replace(noise, envelope=Envelope(1.0, depth=0.4 + 0.5 * severity)),
    )
    orders = (1.0, 0.7, 0.5, 0.35, 0.25)
    return shaken.added(Tones(2.0 + 6.0 * severity, 1.0, orders)).faster(0.98 - 0.04 * severity)


def bearing_damage(machine: Machine, severity: float, rng: np.random.Generator) -> Machine:
    """A pitted race: impacts at a ball-pass order that ring the housing, and some drag."""
    order = rng.uniform(3.1, 5.4)
    # The same pit strikes harder on a slow heavy shaft than hundreds of times a second.
    rate_level = -10.0 * np.log10(order * machine.speed / 100.0)
    level = float(np.clip(rate_level, -5.0, 5.0)) + 6.0 + 9.0 * severity
    pit = Strikes(level, order, (0.0,), rng.uniform(1800.0, 5000.0), 0.002, 0.015, load=0.5)
    return machine.faster(0.98 - 0.04 * severity).added(pit)


def clogging(machine: Machine, severity: float, rng: np.random.Generator) -> Machine:
    """A blocked passage: the flow noise drops in pitch and the relieved rotor speeds up."""
    # A blocked impeller moves less air or water, so it does less work.
    relieved = machine.faster(1.0 + 0.03 + 0.09 * severity)
    return relieved.every(
        Noise,
        lambda noise: replace(
            noise, centre=noise.centre * (0.85 - 0.35 * severity), level=noise.level - 2.0
        ),
    )


def overload(machine: Machine, severity: float, rng: np.random.Generator) -> Machine:
    """A weak supply or a stiff drive: the machine slows and its motor growls."""
    slower = machine.faster(1.0 - 0.04 - 0.12 * severity)
    return slower.every(Tones, lambda tones: replace(tones, level=tones.level + 3.0 * severity))


def rubbing(machine: Machine, severity: float, rng: np.random.Generator) -> Machine:
    """A part that grazes another for a piece of each revolution."""
    width = rng.uniform(0.15, 0.35)
    scrape = Envelope(1.0, gates=((0.3, 0.3 + width),))
    return machine.added(
        Noise(3.0 + 7.0 * severity, rng.uniform(2500.0, 5500.0), 0.5, scrape),
    )


def squeal(machine: Machine, severity: float, rng: np.random.Generator) -> Machine:
    """A dry contact: it brakes the shaft and sings a stick-slip tone in the shaft's rhythm."""
    ratio = rng.uniform(900.0, 2400.0) / machine.speed
    envelope = Envelope(1.0, depth=0.5)
    tone = Tones(-5.0 + 8.0 * severity, ratio, (1.0, 0.6, 0.4), envelope)
    # Friction takes power: a rubbing machine of fixed supply slows down.
    return machine.added(tone).faster(0.98 - 0.04 * severity)


def loose_mounting(machine: Machine, severity: float, rng: np.random.Generator) -> Machine:
    """Loose bolts: the housing's resonances move and sharpen."""
    return _detuned(machine, _either_way(0.08, 0.3, severity, rng), sharper=4.0)


def rattle(machine: Machine, severity: float, rng: np.random.Generator) -> Machine:
    """A loose part that knocks irregularly against the housing, whose resonances it detunes."""
    ratio = rng.uniform(9.0, 16.0) / machine.speed
    level = 8.0 + 8.0 * severity
    ringing = rng.uniform(900.0, 3500.0)
    knocks = Strikes(level, ratio, (0.0,), ringing, 0.006, jitter=0.3, missing=0.3, spread=4.0)
    return _detuned(machine, _either_way(0.04, 0.15, severity, rng)).added(knocks)


def cavitation(machine: Machine, severity: float, rng: np.random.Generator) -> Machine:
    """Collapsing vapour bubbles: dense irregular crackle high in the spectrum."""
    ratio = rng.uniform(150.0, 300.0) / machine.speed
    crackle = Strikes(
        3.0 + 7.0 * severity, ratio, (0.0,), rng.uniform(3500.0, 5500.0), 0.001, 0.5, 0.2, 5.0
    )
    return machine.added(crackle, Noise(-2.0 + 4.0 * severity, 4500.0, 0.6))


def leak(machine: Machine, severity: float, rng: np.random.Generator) -> Machine:
    """A steady jet through a crack: narrow hiss that does not follow the machine."""
    return machine.added(
        Noise(-5.0 + 7.0 * severity, rng.uniform(2800.0, 6000.0), 0.35),
    )


def tooth_damage(machine: Machine, severity: float, rng: np.random.Generator) -> Machine:
    """A chipped tooth: a knock each revolution and deep mesh modulation."""
    knocked = machine.every(
        Tones,
        lambda tones: replace(tones, envelope=Envelope(1.0, depth=0.5 + 0.4 * severity)),
    )
    ringing = rng.uniform(1200.0, 3500.0)
    return knocked.added(Strikes(6.0 + 8.0 * severity, 1.0, (0.2,), ringing, 0.006))


def wear(machine: Machine, severity: float, rng: np.random.Generator) -> Machine:
    """Worn flanks or brushes: power is lost, high harmonics rise, the noise roughens."""

    def worn(tones: Tones) -> Tones:
        lift = 10 ** (8.0 * severity / 20)
        profile = tuple(a * lift ** min(i, 3) for i, a in enumerate(tones.profile))
        return replace(tones, profile=profile)

    # Lost contact pressure is lost torque.
    weaker = machine.faster(0.97 - 0.05 * severity)
    return weaker.every(Tones, worn).every(
        Noise, lambda noise: replace(noise, centre=noise.centre * (1.0 + 0.6 * severity))
    )


def slipping_belt(machine: Machine, severity: float, rng: np.random.Generator) -> Machine:
    """A slack belt: unsteady slow speed and chirps."""
    slack = replace(machine, wander=machine.wander + 0.01 + 0.03 * severity)
    return squeal(slack.faster(1.0 - 0.03 - 0.08 * severity), 0.7 * severity, rng)


def missed_strokes(machine: Machine, severity: float, rng: np.random.Generator) -> Machine:
    """Work cycles that stay out, and a driver that hesitates in the others."""
    # A driver that sometimes fails is late at other times.
    hesitant = machine.faster(1.0 - 0.05 - 0.1 * severity)
    return replace(hesitant, skipped=0.15 + 0.4 * severity)


def extra_strokes(machine: Machine, severity: float, rng: np.random.Generator) -> Machine:
    """Bounce: every impact is followed by a duller or brighter one, and the cycle takes longer."""
    late = rng.uniform(0.25, 0.4)
    pitch = _either_way(0.15, 0.4, severity, rng)

    def bounce(strikes: Strikes) -> Strikes:
        angles = tuple(angle + late for angle in strikes.angles)
        return replace(strikes, angles=angles, frequency=strikes.frequency * pitch)

    # Bounces take time, so the cycle is stretched.
    bounces = [bounce(layer) for layer in machine.layers if isinstance(layer, Strikes)]
    return machine.added(*bounces).faster(0.95 - 0.1 * severity)


def weak_spring(machine: Machine, severity: float, rng: np.random.Generator) -> Machine:
    """A tired spring or loose armature: strikes ring at another pitch, longer and irregularly."""
    factor = _either_way(0.15, 0.5, severity, rng)

    def softer(strikes: Strikes) -> Strikes:
        return replace(
            strikes,
            frequency=strikes.frequency * factor,
            decay=strikes.decay * (1.2 + 0.8 * severity),
            jitter=strikes.jitter + 0.01 * severity,
        )

    return machine.every(Strikes, softer)


def dry_rail(machine: Machine, severity: float, rng: np.random.Generator) -> Machine:
    """Friction without lubricant: rough noise of another colour over the whole stroke."""
    factor = _either_way(0.2, 0.6, severity, rng)
    return machine.first(
        Noise,
        lambda noise: replace(
            noise, centre=noise.centre * factor, level=noise.level + 2.0 + 4.0 * severity
        ),
    )


FAULTS: dict[str, tuple[Fault, ...]] = {
    "fan": (imbalance, bearing_damage, clogging, rubbing, loose_mounting),
    "pump": (cavitation, leak, clogging, bearing_damage, imbalance),
    "slider": (missed_strokes, dry_rail, squeal, rattle, loose_mounting),
    "valve": (missed_strokes, extra_strokes, weak_spring, leak, rattle),
    "gearbox": (tooth_damage, wear, overload, bearing_damage, rattle),
    "bearing": (bearing_damage, dry_rail, rubbing, imbalance, loose_mounting),
    "shaker": (imbalance, rattle, squeal, overload, loose_mounting),
    "Vacuum": (clogging, bearing_damage, wear, squeal, leak),
    "bandsaw": (wear, slipping_belt, squeal, rattle, tooth_damage),
    "grinder": (imbalance, rubbing, bearing_damage, wear, loose_mounting),
    "ToyCar": (wear, overload, rubbing, rattle, tooth_damage),
    "ToyTank": (wear, overload, slipping_belt, rattle, tooth_damage),
    "ToyConveyor": (slipping_belt, overload, rubbing, rattle, bearing_damage),
    "ToyTrain": (wear, overload, squeal, rattle, weak_spring),
    "ToyNscale": (wear, overload, squeal, rattle, weak_spring),
    "ToyDrone": (imbalance, wear, overload, bearing_damage, loose_mounting),
    "3DPrinter": (missed_strokes, dry_rail, squeal, rattle, loose_mounting),
    "AirCompressor": (leak, weak_spring, bearing_damage, overload, rattle),
    "BrushlessMotor": (imbalance, bearing_damage, overload, rubbing, loose_mounting),
    "HairDryer": (clogging, bearing_damage, wear, rubbing, loose_mounting),
    "HoveringDrone": (imbalance, wear, overload, bearing_damage, loose_mounting),
    "RoboticArm": (overload, dry_rail, squeal, rattle, loose_mounting),
    "Scanner": (missed_strokes, dry_rail, squeal, rattle, loose_mounting),
    "ToothBrush": (wear, overload, bearing_damage, rubbing, loose_mounting),
    "ToyCircuit": (wear, overload, squeal, rattle, weak_spring),
    "AutoTrash": (missed_strokes, extra_strokes, squeal, dry_rail, rattle),
    "BandSealer": (slipping_belt, wear, overload, rattle, bearing_damage),
    "CoffeeGrinder": (wear, overload, bearing_damage, rubbing, loose_mounting),
    "HomeCamera": (missed_strokes, dry_rail, squeal, rattle, loose_mounting),
    "Polisher": (imbalance, rubbing, bearing_damage, wear, loose_mounting),
    "ScrewFeeder": (imbalance, overload, weak_spring, bearing_damage, loose_mounting),
    "ToyPet": (wear, overload, squeal, rattle, weak_spring),
    "ToyRCCar": (wear, overload, rubbing, rattle, tooth_damage),
    "BlowerDustCollector": (clogging, imbalance, bearing_damage, leak, loose_mounting),
    "Sander": (imbalance, rubbing, bearing_damage, wear, loose_mounting),
    "SewingMachine": (extra_strokes, weak_spring, overload, squeal, rattle),
}
# An emulated machine breaks as the machine that it stands for.
FAULTS |= {
    f"{name}Emu": FAULTS[name] for name in ("ToyCar", "bearing", "gearbox", "slider", "valve")
}
