"""The recording: a machine in its factory, one or two microphones, one 16-bit clip."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from asd_jax.simulation.anomalies import FAULTS, Fault
from asd_jax.simulation.catalogue import BUILDERS
from asd_jax.simulation.machine import Character, Condition, Machine, operate, sound, vary
from asd_jax.simulation.room import FarMicrophone, far_microphone
from asd_jax.simulation.sources import (
    SAMPLE_RATE,
    Envelope,
    Strikes,
    Tones,
    Wave,
    filtered,
    resonances,
    root_mean_square,
    shaped_noise,
    spectrum_frequencies,
    turn,
)

_LOUDNESS = -32.0
_LOUDNESS_SPREAD = 4.0
_SILENCE = 1e-6
_GOLDEN = (5**0.5 - 1) / 2


def stream(*names: str | int) -> np.random.Generator:
    """An independent random stream for a path of names such as (seed, 2020, 'fan', 0, 'train')."""
    words = [zlib.crc32(n.encode()) if isinstance(n, str) else n for n in names]
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(words)))


@dataclass(frozen=True)
class Unit:
    """One machine at its place: what all clips of a section share.

    Attributes:
      machine: the healthy machine.
      response: microphone and room as resonances (centre Hz, width octaves, gain dB).
      faults: the kinds of anomaly that this machine type knows.
      far: the second microphone, where there is one.
    """

    machine: Machine
    response: tuple[tuple[float, float, float], ...]
    faults: tuple[Fault, ...]
    far: FarMicrophone | None = None


def unit(
    seed: int, year: int, machine_type: str, section: int, rank: int, channels: int = 1
) -> Unit:
    """The unit behind a section, recorded by one or two microphones (`channels`).

    `rank` is the section's place among the type's sections.
    """
    own = stream(seed, year, machine_type, "unit", section)
    character = Character(rank, stream(seed, year, machine_type, "family"), own)
    machine = BUILDERS[machine_type](character)
    response = tuple(
        (float(centre * 2 ** own.uniform(-0.5, 0.5)), 0.8, float(own.uniform(-4.0, 4.0)))
        for centre in (250.0, 1000.0, 4000.0)
    )
    # A stream of its own: the near channel sounds the same with and without a far one.
    place = stream(seed, year, machine_type, "room", section)
    return Unit(
        machine, response, FAULTS[machine_type], far_microphone(place) if channels == 2 else None
    )


def clip(
    where: Unit,
    condition: Condition,
    anomalous: bool,
    index: int,
    samples: int,
    snr: float,
    rng: np.random.Generator,
) -> Wave:
    """Records one clip: `[channels, samples]` int16, the near microphone first.

    Args:
      where: the section's machine and place.
      condition: how the machine is run.
      anomalous: whether it is damaged; the kind of fault goes round with `index`.
      index: the clip's number within its part.
      samples: length at 16 kHz.
      snr: machine against factory noise, dB.
      rng: the clip's own stream.
    """
    healthy = vary(operate(where.machine, condition), rng)
    if anomalous:
        wave = _faulty(healthy, where.faults[index % len(where.faults)], samples, rng)
    else:
        wave = sound(healthy, samples, rng)
    noise = factory(samples, rng)
    ratio = 10 ** ((snr + condition.noise + 1.5 * rng.standard_normal()) / 20)
    # Normalising the damaged machine too keeps a loud fault from lifting it out of the noise; one
    # whose strokes all stay out in a short clip is silent, and only the factory is heard.
    gain = ratio / max(root_mean_square(wave), _SILENCE)
    machine = wave * np.float32(gain)
    background = noise * np.float32(1.0 / root_mean_square(noise))
    heard = [machine + background]
    if where.far is not None:
        heard.append(where.far.hear(machine, background))
    response = resonances(spectrum_frequencies(samples), where.response)
    return _digitise(np.stack([filtered(channel, response) for channel in heard]), index)


def _faulty(healthy: Machine, fault: Fault, samples: int, rng: np.random.Generator) -> Wave:
    """A damaged machine; one clip in three shows its damage in only a part of the time."""
    damaged = fault(healthy, float(rng.uniform(0.2, 1.0)), rng)
    if rng.random() < 0.65:
        return sound(damaged, samples, rng)
    # Both renderings start from the same stream, so the healthy sources run on through the fault.
    seed = rng.integers(2**32, size=4)
    before, after = (
        sound(machine, samples, np.random.Generator(np.random.SFC64(seed)))
        for machine in (healthy, damaged)
    )
    length = rng.uniform(0.4, 0.7)
    start = rng.uniform(0.0, 1.0 - length)
    edges = np.array([start, start + length]) * samples
    place = np.arange(samples, dtype=np.float32)
    ramp = 0.05 * SAMPLE_RATE
    share = np.clip(np.minimum(place - edges[0], edges[1] - place) / ramp, 0.0, 1.0)
    share = share.astype(np.float32)
    return before * (1.0 - share) + after * share


def factory(samples: int, rng: np.random.Generator) -> Wave:
    """Factory noise: coloured background, another machine far off, now and then an impact."""
    frequencies = spectrum_frequencies(samples)
    slope = rng.uniform(0.3, 0.7)
    corner = rng.uniform(80.0, 200.0)
    hall = tuple((float(f), 0.4, float(rng.uniform(-3.0, 3.0))) for f in (300, 900, 2700))
    colour = (1.0 + frequencies / np.float32(corner)) ** np.float32(-slope)
    background = shaped_noise(colour * resonances(frequencies, hall), samples, rng)
    # Another machine in the hall, not one of the data set's: no class may learn it.
    other = turn(float(rng.uniform(15.0, 60.0)), 0.01, samples, rng)
    hum = Tones(-9.0, rng.uniform(1.0, 6.0), (1.0, 0.6, 0.5, 0.3), Envelope(0.02, depth=0.5))
    knocks = Strikes(
        10.0, 0.4 / other.fastest, (0.0,), rng.uniform(300.0, 2500.0), 0.02, 0.3, 0.5, 4.0
    )
    return background + hum.render(other, rng) + knocks.render(other, rng)


def _digitise(wave: Wave, index: int) -> Wave:
    """16-bit samples at a level that says nothing about the label: `[channels, samples]` int16."""
    # Levels spread evenly over the clips of a part: normal and anomalous clips get the same set,
    # so that even ten clips of each cannot be told apart by loudness.
    place = (0.5 + _GOLDEN * index) % 1.0
    level = _LOUDNESS + _LOUDNESS_SPREAD * float(ndtri(0.05 + 0.9 * place))
    # One gain for all channels: their difference tells how far away the machine is.
    gain = 10 ** (level / 20) / root_mean_square(wave[0])
    # Rare: a clipped valve click would be a clue of its own.
    peak = float(np.abs(wave).max())
    gain = min(gain, 0.99 / peak)
    return np.round(wave * np.float32(gain * 32767)).astype("<i2")
