"""A simulated machine: its parameters, what makes one unit differ from the next, and its sound."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from asd_jax.simulation.sources import (
    SAMPLE_RATE,
    Layer,
    Noise,
    Strikes,
    Tones,
    Wave,
    filtered,
    resonances,
    spectrum_frequencies,
    turn,
)

# Irrational steps: units of neighbouring rank end up far apart in every one of their parameters.
_STEPS = ((5**0.5 - 1) / 2, 2**0.5 - 1)
# Units of one series resemble each other, so that a classifier has to listen closely.
_LIKENESS = 0.4

AnyLayer = TypeVar("AnyLayer", Tones, Noise, Strikes)


@dataclass(frozen=True)
class Machine:
    """The parameters of one machine unit in one state.

    Attributes:
      speed: main shaft (or work cycle) speed, Hz.
      wander: relative RMS of its slow speed changes.
      layers: the sources.
      body: resonances of housing and mounting as (centre Hz, width octaves, gain dB).
      skipped: probability that a whole work cycle stays out.
    """

    speed: float
    wander: float
    layers: tuple[Layer, ...]
    body: tuple[tuple[float, float, float], ...] = ()
    skipped: float = 0.0

    def every(self, kind: type[AnyLayer], edit: Callable[[AnyLayer], AnyLayer]) -> Machine:
        """The machine with all layers of one kind edited."""
        layers = tuple(edit(layer) if isinstance(layer, kind) else layer for layer in self.layers)
        return replace(self, layers=layers)

    def first(self, kind: type[AnyLayer], edit: Callable[[AnyLayer], AnyLayer]) -> Machine:
        """The machine with its main layer of one kind edited."""
        layers = list(self.layers)
        for index, layer in enumerate(layers):
            if isinstance(layer, kind):
                layers[index] = edit(layer)
                break
        return replace(self, layers=tuple(layers))

    def added(self, *layers: Layer) -> Machine:
        """The machine with further sources."""
        return replace(self, layers=(*self.layers, *layers))

    def faster(self, factor: float) -> Machine:
        """The machine at another speed."""
        return replace(self, speed=self.speed * factor)


class Character:
    """Draws the parameters of one unit: evenly spread over a type's units, fixed for each unit."""

    def __init__(self, rank: int, family: np.random.Generator, unit: np.random.Generator) -> None:
        """`rank` counts the type's units; `family` is seeded by the type, `unit` by the unit."""
        self._rank = rank
        self._family = family
        self._drawn = 0
        self.unit = unit

    def between(self, low: float, high: float) -> float:
        """A positive parameter within `low` and `high`, spread evenly on a log scale."""
        return float(low * (high / low) ** self._place())

    def level(self, low: float, high: float) -> float:
        """A level in dB between `low` and `high`."""
        return low + (high - low) * self._place()

    def whole(self, low: int, high: int) -> int:
        """A count (blades, teeth) from `low` to `high` inclusive."""
        return low + min(int(self._place() * (high - low + 1)), high - low)

    def _place(self) -> float:
        step = _STEPS[self._drawn % len(_STEPS)]
        self._drawn += 1
        place = (self._family.random() + step * self._rank) % 1.0
        return float(0.5 + _LIKENESS * (place - 0.5))

    def profile(self, harmonics: int, slope: float) -> tuple[float, ...]:
        """Harmonic amplitudes falling by `slope` dB an octave with the unit's own scatter."""
        order = np.arange(1, harmonics + 1)
        level = -slope * np.log2(order) + 5.0 * self.unit.standard_normal(harmonics)
        return tuple(float(amplitude) for amplitude in 10.0 ** (level / 20.0))

    def body(self, modes: int, low: float, high: float) -> tuple[tuple[float, float, float], ...]:
        """Resonances spread over `low` to `high` Hz, 6 to 12 dB high, 0.1 to 0.3 octaves wide."""
        # One mode in each band: two modes on one spot would hide how units differ.
        edges = np.geomspace(low, high, modes + 1)
        return tuple(
            (self.between(below, above), self.between(0.1, 0.3), self.level(6.0, 12.0))
            for below, above in itertools.pairwise(edges)
        )


@dataclass(frozen=True)
class Condition:
    """An operating condition: what the official attributes describe.

    Attributes:
      domain: source or target.
      attributes: the `key_value` pairs of the file name, joined by `_`.
      speed: factor on the speed.
      load: in dB; a loaded machine sounds more tonal, its noise moves up.
      noise: change of the machine-to-factory-noise ratio, dB.
    """

    domain: str = "source"
    attributes: str = ""
    speed: float = 1.0
    load: float = 0.0
    noise: float = 0.0


def operate(machine: Machine, condition: Condition) -> Machine:
    """Runs a machine under an operating condition."""
    load = condition.load
    loaded = machine.faster(condition.speed).every(
        Tones, lambda tones: replace(tones, level=tones.level + load)
    )
    return loaded.every(
        Noise, lambda noise: replace(noise, centre=noise.centre * 2 ** (0.04 * load))
    )


def vary(machine: Machine, rng: np.random.Generator) -> Machine:
    """The harmless differences between two clips of a healthy machine: speed, balance, warmth."""

    def balance(layer: AnyLayer) -> AnyLayer:
        return replace(layer, level=layer.level + 1.4 * rng.standard_normal())

    # As large as a small fault's effect, or else the smallest change would give an anomaly away.
    varied = machine.faster(1.0 + 0.012 * float(rng.standard_normal()))
    varied = varied.every(Tones, balance).every(Noise, balance).every(Strikes, balance)
    body = tuple(
        (centre * (1 + 0.01 * rng.standard_normal()), width, gain + 0.5 * rng.standard_normal())
        for centre, width, gain in machine.body
    )
    return replace(varied, body=body)


def _working(revolutions: Wave, skipped: float, rng: np.random.Generator) -> Wave:
    """Amplitude factor `[samples]` float32, closed in the work cycles that stay out."""
    cycle = np.floor(revolutions).astype(np.int64)
    cycle -= cycle[0]
    works = (rng.random(int(cycle[-1]) + 1) >= skipped).astype(np.float32)
    # A stroke fades within 20 ms, as a solenoid does when its current stops.
    ramp = int(0.02 * SAMPLE_RATE)
    smooth = np.cumsum(np.pad(works[cycle], (ramp, 0), mode="edge"), dtype=np.float64)
    return ((smooth[ramp:] - smooth[:-ramp]) / ramp).astype(np.float32)


def sound(machine: Machine, samples: int, rng: np.random.Generator) -> Wave:
    """Renders a machine through its body: `[samples]` float32, level as the layers give it."""
    shaft = turn(machine.speed, machine.wander, samples, rng)
    # A stream for each layer keeps a healthy layer the same when a fault adds another.
    streams = rng.spawn(len(machine.layers) + 1)
    mixed = np.zeros(samples, np.float32)
    for layer, stream in zip(machine.layers, streams[1:], strict=True):
        mixed += layer.render(shaft, stream)
    if machine.skipped:
        mixed *= _working(shaft.revolutions, machine.skipped, streams[0])
    return filtered(mixed, resonances(spectrum_frequencies(samples), machine.body))
