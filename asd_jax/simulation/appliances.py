"""Appliances of 2024 to 2026: two families of machines and the ranges that each type draws from."""

from __future__ import annotations

from dataclasses import dataclass

from asd_jax.simulation.machine import Character, Machine
from asd_jax.simulation.sources import Envelope, Noise, Strikes, Tones

Range = tuple[float, float]


@dataclass(frozen=True)
class Motor:
    """A motor that turns all the time and the work that it does.

    Attributes:
      speed: motor shaft, Hz.
      whine: blades, gear teeth or poles a revolution.
      noise: centre of its flow or friction noise, Hz.
      cycle: work cycles (piston strokes, orbits, steps) a revolution.
      depth: how deep the work modulates noise and whine, 0 to 1.
      knocks: fractions of the work cycle at which parts strike each other.
      ringing: frequency of the struck parts, Hz.
      irregular: share of the knocks that stay out; the others scatter with it.
    """

    speed: Range
    whine: tuple[int, int]
    noise: Range
    cycle: float = 1.0
    depth: float = 0.2
    knocks: tuple[float, ...] = ()
    ringing: Range = (500.0, 1500.0)
    irregular: float = 0.0

    def __call__(self, character: Character) -> Machine:
        """Builds one unit."""
        work = Envelope(self.cycle, self.depth)
        machine = Machine(
            speed=character.between(*self.speed),
            wander=0.006,
            layers=(
                Tones(character.level(-5.0, -1.0), 1.0, character.profile(14, 3.5)),
                Tones(
                    character.level(-6.0, -2.0),
                    character.whole(*self.whine),
                    character.profile(5, 4.0),
                    work,
                ),
                Noise(character.level(-3.0, 1.0), character.between(*self.noise), 1.0, work),
            ),
            body=character.body(4, 350.0, 6000.0),
        )
        if not self.knocks:
            return machine
        jitter = 0.004 + 0.4 * self.irregular
        level, ringing = character.level(5.0, 9.0), character.between(*self.ringing)
        return machine.added(
            Strikes(level, self.cycle, self.knocks, ringing, 0.01, jitter, self.irregular)
        )


@dataclass(frozen=True)
class Carriage:
    """A part that a motor moves to and fro, with a stop at both ends.

    Attributes:
      speed: work cycles (to and fro), Hz.
      whine: tone of the driving motor, Hz.
      noise: centre of the friction noise, Hz.
      stroke: share of the cycle that one way takes, below 0.5.
      ringing: frequency of the stops, Hz.
      cooling: level of a fan or pump that runs on between the strokes, dB.
    """

    speed: Range
    whine: Range
    noise: Range
    stroke: Range = (0.3, 0.42)
    ringing: Range = (300.0, 900.0)
    cooling: float = -14.0

    def __call__(self, character: Character) -> Machine:
        """Builds one unit."""
        speed = character.between(*self.speed)
        stroke = character.between(*self.stroke)
        strokes = Envelope(1.0, gates=((0.02, 0.02 + stroke), (0.52, 0.52 + stroke)))
        whine = character.between(*self.whine) / speed
        return Machine(
            speed=speed,
            wander=0.004,
            layers=(
                Noise(character.level(-3.0, 0.0), character.between(*self.noise), 0.8, strokes),
                Tones(character.level(-2.0, 2.0), whine, character.profile(8, 3.5), strokes),
                Strikes(
                    character.level(8.0, 12.0),
                    1.0,
                    (0.0, 0.5),
                    character.between(*self.ringing),
                    0.02,
                ),
                Noise(self.cooling, character.between(250.0, 700.0), 1.0),
            ),
            body=character.body(3, 400.0, 6000.0),
        )


APPLIANCES: dict[str, Motor | Carriage] = {
    # Steppers sing while the head travels; the part's fan never stops.
    "3DPrinter": Carriage((1.3, 2.0), (450.0, 900.0), (1800.0, 3600.0), cooling=-5.0),
    # A piston: one intake and one outlet valve clap a revolution, air pulses with them.
    "AirCompressor": Motor(
        (15.0, 24.0),
        (9, 15),
        (500.0, 1300.0),
        depth=0.7,
        knocks=(0.1, 0.6),
        ringing=(600.0, 1400.0),
    ),
    # No brushes, little air: pole tones stand alone.
    "BrushlessMotor": Motor((70.0, 120.0), (12, 21), (1200.0, 3000.0), depth=0.1),
    "HairDryer": Motor((190.0, 290.0), (7, 11), (1000.0, 2600.0), depth=0.1),
    "RoboticArm": Carriage((0.6, 0.95), (600.0, 1200.0), (900.0, 2200.0)),
    # A lamp bar crawls along the glass and hurries back: long strokes, soft stops.
    "Scanner": Carriage((0.5, 0.8), (300.0, 600.0), (2000.0, 4000.0), (0.4, 0.46)),
    # A sonic brush swings at its drive frequency; bristles hiss twice a swing.
    "ToothBrush": Motor((210.0, 270.0), (3, 5), (3000.0, 5200.0), cycle=2.0, depth=0.5),
    # A lid opens and falls shut.
    "AutoTrash": Carriage(
        (0.5, 0.75), (220.0, 420.0), (700.0, 1800.0), (0.2, 0.3), ringing=(180.0, 420.0)
    ),
    # A geared motor pulls the bag on a belt between hot jaws; the belt's joint ticks.
    "BandSealer": Motor(
        (24.0, 36.0), (16, 26), (900.0, 2400.0), cycle=0.2, depth=0.4, knocks=(0.0,)
    ),
    # Beans break between the burrs at random.
    "CoffeeGrinder": Motor(
        (80.0, 120.0),
        (6, 10),
        (1500.0, 3600.0),
        depth=0.3,
        knocks=(0.0, 0.5),
        ringing=(1500.0, 3500.0),
        irregular=0.4,
    ),
    # Small pan and tilt steppers on plastic gears.
    "HomeCamera": Carriage((0.7, 1.1), (350.0, 750.0), (2400.0, 4600.0), ringing=(900.0, 2000.0)),
    # The pad orbits: its friction swells once an orbit.
    "Polisher": Motor((60.0, 95.0), (8, 13), (900.0, 2200.0), depth=0.6),
    # A rail shakes the screws forward: the motor hums, the screws rattle.
    "ScrewFeeder": Motor(
        (40.0, 60.0),
        (5, 9),
        (2500.0, 5000.0),
        cycle=0.5,
        depth=0.5,
        knocks=(0.0, 0.45),
        ringing=(2200.0, 4500.0),
        irregular=0.3,
    ),
    "BlowerDustCollector": Motor((44.0, 60.0), (8, 14), (400.0, 1100.0), depth=0.1),
    # An orbital sander is a faster polisher on grit.
    "Sander": Motor((130.0, 200.0), (5, 9), (2400.0, 4800.0), depth=0.5),
    # Needle, hook and feed dog strike once a stitch.
    "SewingMachine": Motor(
        (10.0, 16.0),
        (28, 44),
        (1200.0, 2800.0),
        depth=0.6,
        knocks=(0.0, 0.35, 0.6),
        ringing=(700.0, 1800.0),
    ),
}
