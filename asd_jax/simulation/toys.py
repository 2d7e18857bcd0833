"""Toys of the ToyADMOS and later data: one function a machine type."""

from __future__ import annotations

from asd_jax.simulation.machine import Character, Machine
from asd_jax.simulation.sources import Envelope, Noise, Strikes, Tones


def toy_car(character: Character) -> Machine:
    """Toy car on a roller: a DC motor's brush buzz, plastic gear mesh and wheel noise."""
    return _motor_toy(character, speed=(62.0, 95.0), mesh=(8, 13), wheel=0.2, noise=(900.0, 2600.0))


def toy_tank(character: Character) -> Machine:
    """Toy tank: as the car with a slower motor, and tracks that clatter over their sprockets."""
    tank = _motor_toy(
        character, speed=(45.0, 68.0), mesh=(9, 15), wheel=0.15, noise=(600.0, 1800.0)
    )
    clatter = character.between(700.0, 1700.0)
    return tank.added(Strikes(character.level(3.0, 7.0), 0.25, (0.0,), clatter, 0.006, spread=2.5))


def toy_rc_car(character: Character) -> Machine:
    """Radio-controlled car: as the toy car with a faster motor and fewer teeth."""
    return _motor_toy(
        character, speed=(110.0, 160.0), mesh=(6, 10), wheel=0.12, noise=(1300.0, 3400.0)
    )


def toy_pet(character: Character) -> Machine:
    """Walking pet: a slow motor geared down to legs, and two footfalls a step."""
    pet = _motor_toy(character, speed=(42.0, 62.0), mesh=(9, 14), wheel=0.04, noise=(700.0, 2000.0))
    feet = character.between(250.0, 700.0)
    return pet.added(Strikes(character.level(8.0, 12.0), 0.04, (0.0, 0.45), feet, 0.015))


def _motor_toy(
    character: Character,
    speed: tuple[float, float],
    mesh: tuple[int, int],
    wheel: float,
    noise: tuple[float, float],
) -> Machine:
    """A geared DC motor on wheels that turn `wheel` times a motor revolution."""
    wobble = Envelope(wheel, depth=0.3)
    return Machine(
        speed=character.between(*speed),
        wander=0.012,
        layers=(
            Tones(character.level(-4.0, 0.0), 1.0, character.profile(20, 3.0)),
            Tones(
                character.level(-3.0, 1.0),
                character.whole(*mesh),
                character.profile(5, 4.0),
                wobble,
            ),
            Noise(character.level(-4.0, 0.0), character.between(*noise), 1.0, wobble),
        ),
        body=character.body(4, 400.0, 6000.0),
    )


def toy_conveyor(character: Character) -> Machine:
    """Toy conveyor: motor and worm gear, belt hiss in the rollers' rhythm, the belt joint."""
    return Machine(
        speed=character.between(7.0, 11.0),
        wander=0.008,
        layers=(
            Tones(character.level(-4.0, 0.0), character.whole(11, 17), character.profile(14, 3.0)),
            Noise(
                character.level(-3.0, 0.0),
                character.between(1000.0, 3000.0),
                1.0,
                Envelope(depth=0.5),
            ),
            Tones(character.level(-8.0, -3.0), character.whole(60, 95), character.profile(4, 4.0)),
            Strikes(
                character.level(6.0, 9.0),
                character.between(0.11, 0.17),
                (0.0,),
                character.between(300.0, 900.0),
                0.02,
            ),
        ),
        body=character.body(4, 300.0, 5500.0),
    )


def toy_train(character: Character) -> Machine:
    """H0 railway: a geared motor, wheel noise, and axle pairs beating over the rail joints."""
    return _railway(character, speed=(55.0, 85.0), joint=(700.0, 1600.0), noise=(1200.0, 3000.0))


def toy_n_scale(character: Character) -> Machine:
    """N-scale railway: as the H0 train, lighter, higher and faster."""
    return _railway(character, speed=(90.0, 130.0), joint=(1500.0, 3200.0), noise=(2000.0, 4200.0))


def _railway(
    character: Character,
    speed: tuple[float, float],
    joint: tuple[float, float],
    noise: tuple[float, float],
) -> Machine:
    motor = character.between(*speed)
    joints = character.between(1.6, 2.6) / motor
    axle = character.between(0.13, 0.2)
    pattern = (0.0, axle, 0.5, 0.5 + axle)
    return Machine(
        speed=motor,
        wander=0.010,
        layers=(
            Tones(character.level(-5.0, -1.0), 1.0, character.profile(18, 3.0)),
            Tones(character.level(-6.0, -2.0), character.whole(7, 13), character.profile(5, 4.0)),
            Noise(
                character.level(-3.0, 0.0), character.between(*noise), 0.9, Envelope(joints, 0.25)
            ),
            Strikes(character.level(9.0, 13.0), joints, pattern, character.between(*joint), 0.012),
        ),
        body=character.body(4, 400.0, 6000.0),
    )


def toy_circuit(character: Character) -> Machine:
    """Slot car on a circuit: a small fast motor, and the track's joints under both axles."""
    return _railway(character, speed=(105.0, 150.0), joint=(900.0, 2000.0), noise=(1600.0, 3600.0))


def toy_drone(character: Character) -> Machine:
    """Toy quadcopter: four slightly detuned rotors with strong blade tones over their wash."""
    return _quadcopter(character, speed=(130.0, 190.0), noise=(1500.0, 3800.0))


def hovering_drone(character: Character) -> Machine:
    """Hovering drone: as the toy, with larger rotors that turn more slowly."""
    return _quadcopter(character, speed=(75.0, 115.0), noise=(900.0, 2400.0))


def _quadcopter(
    character: Character, speed: tuple[float, float], noise: tuple[float, float]
) -> Machine:
    spread = character.between(1.01, 1.03)
    rotors = tuple(
        Tones(character.level(-8.0, -4.0), 2.0 * spread**rotor, character.profile(14, 3.5))
        for rotor in range(4)
    )
    return Machine(
        speed=character.between(*speed),
        wander=0.012,
        layers=(
            *rotors,
            Noise(character.level(-3.0, 1.0), character.between(*noise), 1.1),
        ),
        body=character.body(4, 400.0, 6500.0),
    )
