"""Sound sources locked to a turning shaft: tones, noise and strikes.

Everything that a machine emits is a function of its shaft angle, so one speed change moves the
blade tone, the stroke rhythm and the mesh sidebands together, as it does on a real machine.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import scipy.fft
import scipy.signal

SAMPLE_RATE = 16_000
_TABLE = 32_768
_AUDIBLE = 7_600.0

Wave = np.ndarray


def decibels(level: float) -> float:
    """Amplitude ratio of a level in dB."""
    return float(10.0 ** (level / 20.0))


def root_mean_square(wave: Wave) -> float:
    """RMS of a waveform `[samples]`, accumulated in float64."""
    return float(np.sqrt(np.mean(np.square(wave, dtype=np.float64))))


@dataclass(frozen=True)
class Shaft:
    """The main shaft's motion through one clip.

    Attributes:
      revolutions: shaft angle in revolutions, increasing, `[samples]` float64.
      fastest: the highest speed in the clip, Hz.
    """

    revolutions: Wave
    fastest: float

    @property
    def samples(self) -> int:
        return len(self.revolutions)


def turn(speed: float, wander: float, samples: int, rng: np.random.Generator) -> Shaft:
    """Turns a shaft at `speed` Hz with slow random speed changes of `wander` (relative RMS)."""
    # A motor's speed drifts over tenths of a second; faster changes would smear its tones.
    knots = max(4, int(samples / SAMPLE_RATE * 2.5) + 2)
    drift = np.repeat(rng.standard_normal(knots + 4), 16)
    drift = np.convolve(drift, np.hanning(48) / np.hanning(48).sum(), mode="valid")
    where = np.linspace(0, knots * 16, samples, endpoint=False)
    drift = np.clip(np.interp(where, np.arange(len(drift)), drift), -3.0, 3.0)
    momentary = speed * (1.0 + wander * drift)
    revolutions = np.cumsum(momentary / SAMPLE_RATE) + rng.random()
    return Shaft(revolutions, float(momentary.max()))


@dataclass(frozen=True)
class Envelope:
    """Loudness over a cycle that repeats `ratio` times a shaft revolution.

    Attributes:
      ratio: cycles a revolution.
      depth: amplitude modulation depth, 0 (none) to 1.
      gates: (start, stop) fractions of the cycle in which the source sounds; none = always.
    """

    ratio: float = 1.0
    depth: float = 0.0
    gates: tuple[tuple[float, float], ...] = ()

    def curve(self, shaft: Shaft) -> Wave | float:
        """Amplitude factor `[samples]` float32, or 1.0 where the source is steady."""
        if not self.gates and self.depth == 0.0:
            return 1.0
        cycle = np.arange(2048) / 2048
        table = 1.0 + self.depth * np.cos(2 * np.pi * cycle)
        if self.gates:
            opened = sum(_gate(cycle, start, stop) for start, stop in self.gates)
            table = table * np.minimum(opened, 1.0)
        place = (shaft.revolutions * (self.ratio * 2048)).astype(np.int64) & 2047
        return table.astype(np.float32)[place]


def _gate(cycle: Wave, start: float, stop: float) -> Wave:
    """A smooth window over a cycle, `[cycle positions]`; a stop beyond 1 wraps around."""
    width = stop - start
    inside = np.mod(cycle - start, 1.0) / width
    # Soft edges: a hard gate would click at every stroke.
    edge = 0.12
    return np.clip(np.minimum(inside, 1.0 - inside) / edge, 0.0, 1.0) * (inside < 1.0)


class Layer(Protocol):
    """One source of a machine; `level` is its loudness in dB against the machine's other layers."""

    @property
    def level(self) -> float: ...

    def render(self, shaft: Shaft, rng: np.random.Generator) -> Wave:
        """Sounds the source: `[samples]` float32."""
        ...


@dataclass(frozen=True)
class Tones:
    """A harmonic stack: harmonics 1, 2, ... of `ratio` times the shaft speed.

    Attributes:
      level: RMS in dB.
      ratio: fundamental in shaft orders (blades, gear teeth, motor poles).
      profile: relative amplitude of each harmonic.
      envelope: amplitude over the cycle; its depth makes sidebands.
    """

    level: float
    ratio: float
    profile: tuple[float, ...]
    envelope: Envelope = field(default_factory=Envelope)

    def render(self, shaft: Shaft, rng: np.random.Generator) -> Wave:
        spectrum = np.zeros(_TABLE // 2 + 1, np.complex64)
        audible = max(1, int(_AUDIBLE / (self.ratio * shaft.fastest)))
        amplitudes = np.asarray(self.profile, np.float32)
        phases = np.exp(2j * np.pi * rng.random(len(amplitudes)))
        amplitudes = amplitudes / np.sqrt(np.sum(amplitudes**2) / 2)
        # Harmonics beyond the audible band would fold back as false tones.
        kept = min(audible, len(amplitudes))
        spectrum[1 : kept + 1] = (amplitudes * phases)[:kept] * (_TABLE / 2)
        # One period in a table costs the same for 2 harmonics as for 40.
        table = scipy.fft.irfft(spectrum, _TABLE) * np.float32(decibels(self.level))
        place = (shaft.revolutions * (self.ratio * _TABLE)).astype(np.int64) & (_TABLE - 1)
        return table[place] * self.envelope.curve(shaft)


@dataclass(frozen=True)
class Noise:
    """Broadband noise in a log-normal band: flow, friction, hiss, rolling.

    Attributes:
      level: RMS in dB before the envelope.
      centre: band centre, Hz.
      octaves: half width of the band at -4.3 dB, octaves.
      envelope: amplitude over the cycle.
    """

    level: float
    centre: float
    octaves: float
    envelope: Envelope = field(default_factory=Envelope)

    def render(self, shaft: Shaft, rng: np.random.Generator) -> Wave:
        frequencies = spectrum_frequencies(shaft.samples)
        band = np.exp(-0.5 * (np.log2(frequencies / self.centre) / self.octaves) ** 2)
        wave = shaped_noise(band, shaft.samples, rng) * np.float32(decibels(self.level))
        return wave * self.envelope.curve(shaft)


@dataclass(frozen=True)
class Strikes:
    """Impacts at fixed angles of a cycle, each ringing a damped resonance.

    Attributes:
      level: peak of one impact in dB.
      ratio: cycles a shaft revolution (a bearing fault order, 1 for a stroke).
      angles: fractions of the cycle at which the impacts fall.
      frequency: ringing frequency, Hz.
      decay: time constant of the ringing, s.
      jitter: standard deviation of the angle, fraction of a cycle.
      missing: probability that an impact stays out.
      spread: standard deviation of the impact's level, dB.
      load: depth of the once-a-revolution modulation of the impacts, 0 to 1.
    """

    level: float
    ratio: float
    angles: tuple[float, ...]
    frequency: float
    decay: float
    jitter: float = 0.004
    missing: float = 0.0
    spread: float = 1.0
    load: float = 0.0

    def render(self, shaft: Shaft, rng: np.random.Generator) -> Wave:
        angle, size = self._impacts(shaft, rng)
        place = np.searchsorted(shaft.revolutions, angle)
        train = np.bincount(place, weights=size, minlength=shaft.samples + 1)
        train = train[: shaft.samples].astype(np.float32)
        return scipy.signal.oaconvolve(train, self._ringing(rng))[: shaft.samples]

    def _impacts(self, shaft: Shaft, rng: np.random.Generator) -> tuple[Wave, Wave]:
        """Angles in revolutions and amplitudes of the clip's impacts, `[impacts]` each."""
        first = np.floor(shaft.revolutions[0] * self.ratio)
        last = np.ceil(shaft.revolutions[-1] * self.ratio)
        cycles = np.arange(first, last + 1)[:, None] + np.asarray(self.angles)
        cycles = cycles + self.jitter * rng.standard_normal(cycles.shape)
        size = decibels(self.level) * 10 ** (self.spread * rng.standard_normal(cycles.shape) / 20)
        size = size * (rng.random(cycles.shape) >= self.missing)
        angle = cycles / self.ratio
        size = size * (1.0 + self.load * np.cos(2 * np.pi * angle))
        # Jitter may push an impact out of the clip.
        heard = (angle > shaft.revolutions[0]) & (angle < shaft.revolutions[-1])
        return angle[heard], size[heard]

    def _ringing(self, rng: np.random.Generator) -> Wave:
        """Impulse response of the struck part: two modes and a contact click, `[samples]`."""
        time = np.arange(int(6 * self.decay * SAMPLE_RATE) + 32) / SAMPLE_RATE
        ring = np.sin(2 * np.pi * self.frequency * time)
        # Plates ring inharmonically; an integer ratio would sound like a motor tone.
        if 1.68 * self.frequency < _AUDIBLE:
            ring += 0.5 * np.sin(2 * np.pi * 1.68 * self.frequency * time)
        # The contact itself is a broadband click, or else a strike would whistle.
        ring += 0.4 * rng.standard_normal(len(time)) * np.exp(-time / 0.002)
        return (ring * np.exp(-time / self.decay)).astype(np.float32)


def spectrum_frequencies(samples: int) -> Wave:
    """Frequencies of `rfft` bins in Hz, `[bins]` float32; the zero bin is lifted to half a bin."""
    frequencies = np.arange(samples // 2 + 1, dtype=np.float32) * np.float32(SAMPLE_RATE / samples)
    frequencies[0] = frequencies[1] / 2
    return frequencies


def shaped_noise(magnitude: Wave, samples: int, rng: np.random.Generator) -> Wave:
    """Gaussian noise of RMS 1 with a given magnitude spectrum `[bins]`: `[samples]` float32."""
    parts = rng.standard_normal((2, samples // 2 + 1), dtype=np.float32)
    spectrum = (parts[0] + 1j * parts[1]) * magnitude
    spectrum[0] = 0.0
    power = 4.0 * float(np.sum(np.square(magnitude, dtype=np.float64)))
    return scipy.fft.irfft(spectrum, samples) * np.float32(samples / np.sqrt(power))


def resonances(frequencies: Wave, modes: tuple[tuple[float, float, float], ...]) -> Wave:
    """Magnitude response `[bins]` of a body with modes (centre Hz, width octaves, gain dB)."""
    response = np.zeros_like(frequencies)
    octave = np.log2(frequencies)
    for centre, width, gain in modes:
        response += gain * np.exp(-0.5 * ((octave - np.log2(centre)) / width) ** 2)
    return np.power(10.0, response / 20.0, dtype=np.float32)


def filtered(wave: Wave, magnitude: Wave) -> Wave:
    """Filters `[samples]` by a zero-phase magnitude response `[bins]`."""
    return scipy.fft.irfft(scipy.fft.rfft(wave) * magnitude, len(wave))
