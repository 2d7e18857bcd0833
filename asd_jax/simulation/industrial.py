"""Industrial machines of the MIMII and later data: one function a machine type."""

from __future__ import annotations

from asd_jax.simulation.machine import Character, Machine
from asd_jax.simulation.sources import Envelope, Noise, Strikes, Tones


def fan(character: Character) -> Machine:
    """Axial fan: shaft harmonics, blade-passing tones, flow noise that pulses with the blades."""
    blades = character.whole(5, 9)
    flow = Envelope(blades, depth=0.25)
    return Machine(
        speed=character.between(19.0, 29.0),
        wander=0.004,
        layers=(
            Tones(character.level(-9.0, -5.0), 1.0, character.profile(10, 4.0)),
            Tones(character.level(-4.0, 1.0), blades, character.profile(8, 5.0)),
            Noise(character.level(-3.0, 1.0), character.between(350.0, 1000.0), 1.3, flow),
            Tones(character.level(-15.0, -9.0), character.whole(28, 44), (1.0, 0.4)),
        ),
        body=character.body(3, 300.0, 5000.0),
    )


def pump(character: Character) -> Machine:
    """Centrifugal pump: vane pulsation, motor hum with slot tones, turbulent water."""
    vanes = character.whole(4, 7)
    pulsation = Envelope(vanes, depth=0.5)
    return Machine(
        speed=character.between(22.0, 30.0),
        wander=0.003,
        layers=(
            Tones(character.level(-5.0, 0.0), vanes, character.profile(7, 4.0)),
            Tones(character.level(-9.0, -4.0), 2.0, character.profile(12, 4.0)),
            Noise(character.level(-3.0, 1.0), character.between(900.0, 2200.0), 1.0, pulsation),
            Tones(character.level(-13.0, -8.0), character.whole(30, 48), (1.0, 0.5)),
        ),
        body=character.body(3, 250.0, 4500.0),
    )


def slider(character: Character) -> Machine:
    """Linear slider: two friction strokes a cycle, a motor whine, thumps at both ends."""
    speed = character.between(0.7, 1.1)
    stroke = character.between(0.30, 0.42)
    strokes = Envelope(1.0, gates=((0.02, 0.02 + stroke), (0.52, 0.52 + stroke)))
    whine = character.between(260.0, 520.0) / speed
    return Machine(
        speed=speed,
        wander=0.004,
        layers=(
            Noise(character.level(-2.0, 1.0), character.between(1300.0, 3200.0), 0.8, strokes),
            Tones(character.level(-4.0, 0.0), whine, character.profile(8, 4.0), strokes),
            Strikes(
                character.level(9.0, 14.0), 1.0, (0.0, 0.5), character.between(280.0, 800.0), 0.025
            ),
            Noise(-14.0, character.between(200.0, 500.0), 1.0),
        ),
        body=character.body(3, 400.0, 6000.0),
    )


def valve(character: Character) -> Machine:
    """Solenoid valve: a click pattern of its own, each opening followed by an exhaust hiss."""
    clicks = character.whole(2, 4)
    spacing = character.between(0.12, 0.2)
    pattern = tuple(spacing * index * (1.0 + 0.15 * index) for index in range(clicks))
    hiss = Envelope(1.0, gates=tuple((angle, angle + 0.10) for angle in pattern))
    speed = character.between(0.9, 1.4)
    tone = character.between(1500.0, 3600.0)
    return Machine(
        speed=speed,
        wander=0.004,
        layers=(
            Strikes(character.level(14.0, 17.0), 1.0, pattern, tone, 0.010, jitter=0.002),
            Noise(character.level(-5.0, -1.0), character.between(2500.0, 5200.0), 0.6, hiss),
            Strikes(
                character.level(9.0, 13.0),
                1.0,
                tuple(angle + 0.07 for angle in pattern),
                character.between(500.0, 1100.0),
                0.015,
                jitter=0.002,
            ),
            Tones(-13.0, 100.0 / speed, character.profile(6, 5.0)),
        ),
        body=character.body(3, 500.0, 6500.0),
    )


def gearbox(character: Character) -> Machine:
    """Two-stage gearbox: mesh harmonics with shaft sidebands over lubricated rolling noise."""
    teeth, ratio = character.whole(17, 31), character.between(0.28, 0.45)
    return Machine(
        speed=character.between(14.0, 22.0),
        wander=0.006,
        layers=(
            Tones(
                character.level(-1.0, 2.0), teeth, character.profile(6, 4.0), Envelope(depth=0.2)
            ),
            Tones(
                character.level(-5.0, -1.0),
                ratio * character.whole(37, 53),
                character.profile(5, 4.0),
                Envelope(ratio, depth=0.2),
            ),
            Tones(-9.0, 1.0, character.profile(10, 4.0)),
            Noise(character.level(-6.0, -2.0), character.between(700.0, 2000.0), 1.2),
        ),
        body=character.body(4, 300.0, 5500.0),
    )


def bearing(character: Character) -> Machine:
    """Sound rolling bearing on a test rig: load-modulated rolling noise, cage and drive tones."""
    cage = character.between(0.37, 0.43)
    return Machine(
        speed=character.between(20.0, 34.0),
        wander=0.003,
        layers=(
            Noise(
                character.level(-2.0, 1.0),
                character.between(1500.0, 3400.0),
                0.9,
                Envelope(cage, depth=0.3),
            ),
            Tones(character.level(-6.0, -2.0), 1.0, character.profile(14, 3.0)),
            Tones(
                character.level(-8.0, -3.0),
                character.between(7.5, 10.0),
                character.profile(6, 4.0),
                Envelope(depth=0.2),
            ),
            Noise(-8.0, character.between(250.0, 600.0), 0.9),
        ),
        body=character.body(3, 400.0, 6000.0),
    )


def shaker(character: Character) -> Machine:
    """Laboratory shaker: an orbiting table that rocks its load, on a small geared motor."""
    return Machine(
        speed=character.between(4.0, 6.5),
        wander=0.005,
        layers=(
            Noise(
                character.level(-3.0, 0.0),
                character.between(500.0, 1500.0),
                1.0,
                Envelope(2.0, depth=0.7),
            ),
            Tones(
                character.level(-3.0, 1.0),
                character.between(22.0, 34.0),
                character.profile(10, 4.0),
                Envelope(depth=0.3),
            ),
            Strikes(
                character.level(5.0, 9.0), 1.0, (0.0, 0.5), character.between(300.0, 900.0), 0.02
            ),
        ),
        body=character.body(3, 300.0, 5000.0),
    )


def vacuum(character: Character) -> Machine:
    """Vacuum cleaner: a fast universal motor whose impeller drives loud suction noise."""
    return Machine(
        speed=character.between(260.0, 400.0),
        wander=0.004,
        layers=(
            Tones(character.level(-6.0, -2.0), 1.0, character.profile(12, 4.0)),
            Tones(character.level(-8.0, -4.0), character.whole(7, 11), (1.0, 0.4)),
            Noise(character.level(-1.0, 2.0), character.between(900.0, 2400.0), 1.2),
        ),
        body=character.body(4, 300.0, 6000.0),
    )


def bandsaw(character: Character) -> Machine:
    """Band saw: blade teeth sing over the wheels' rumble, the weld ticks once a band round."""
    return Machine(
        speed=character.between(9.0, 14.0),
        wander=0.006,
        layers=(
            Tones(character.level(-3.0, 1.0), character.whole(60, 90), character.profile(5, 4.0)),
            Tones(character.level(-6.0, -2.0), 5.0, character.profile(12, 4.0)),
            Noise(
                character.level(-3.0, 0.0),
                character.between(1200.0, 3000.0),
                1.0,
                Envelope(depth=0.3),
            ),
            Strikes(8.0, 0.22, (0.0,), character.between(700.0, 1800.0), 0.01),
        ),
        body=character.body(4, 400.0, 6000.0),
    )


def grinder(character: Character) -> Machine:
    """Bench grinder: grindstone hum at motor speed, gritty abrasion noise once a revolution."""
    return Machine(
        speed=character.between(46.0, 58.0),
        wander=0.004,
        layers=(
            Noise(
                character.level(-1.0, 2.0),
                character.between(2000.0, 4500.0),
                0.9,
                Envelope(depth=0.4),
            ),
            Tones(character.level(-4.0, 0.0), 1.0, character.profile(14, 3.0)),
            Tones(character.level(-10.0, -6.0), character.whole(18, 28), (1.0, 0.5)),
        ),
        body=character.body(3, 500.0, 6500.0),
    )
