"""The second microphone: what stands some metres away from the machine hears of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft

from asd_jax.simulation.sources import (
    SAMPLE_RATE,
    Wave,
    decibels,
    filtered,
    spectrum_frequencies,
)

_SPEED_OF_SOUND = 343.0
# The share of the background's power that reaches a microphone by way of the walls.
_DIFFUSE = 0.5


@dataclass(frozen=True)
class FarMicrophone:
    """A microphone away from the machine, against one close to it.

    Attributes:
      near: distance of the close microphone from the machine, m.
      far: distance of this microphone, m.
      critical: where the hall's reverberation is as loud as the direct sound, m.
      background: level of the factory noise against that at the close microphone, dB.
      lead: by how much earlier the factory noise arrives here, s; negative = later.
      reverberation: the hall's impulse response without the direct sound, `[samples]` float32, of
        gain 1 at low frequencies, shorter than any clip.
    """

    near: float
    far: float
    critical: float
    background: float
    lead: float
    reverberation: Wave

    @property
    def delay(self) -> float:
        """How much later than at the close microphone the machine is heard, s."""
        return (self.far - self.near) / _SPEED_OF_SOUND

    def hear(self, machine: Wave, background: Wave) -> Wave:
        """The far recording of what the close microphone hears: `[samples]` float32.

        Args:
          machine: the machine at the close microphone, `[samples]` float32.
          background: the factory noise there, likewise.
        """
        samples = len(machine)
        # Round the clip's ends, like every filter here: a clip is cut from a scene that has long
        # been sounding, so its first moments hold as much reverberation as the rest.
        hall = scipy.fft.rfft(self.reverberation, samples)
        # Direct sound falls with distance, the reverberant field is the same everywhere.
        from_machine = self.near / self.far + np.float32(self.near / self.critical) * hall
        from_hall = np.float32((1 - _DIFFUSE) ** 0.5) + np.float32(_DIFFUSE**0.5) * hall
        from_hall = np.float32(decibels(self.background)) * from_hall
        heard = scipy.fft.rfft(machine) * from_machine * _shift(self.delay, samples)
        heard += scipy.fft.rfft(background) * from_hall * _shift(-self.lead, samples)
        return scipy.fft.irfft(heard, samples)


def _shift(delay: float, samples: int) -> Wave:
    """Spectrum of a delay in s, fractions of a sample included: `[bins]` complex64."""
    cycles = scipy.fft.rfftfreq(samples, 1 / SAMPLE_RATE) * delay
    return np.exp(-2j * np.pi * cycles).astype(np.complex64)


def far_microphone(rng: np.random.Generator) -> FarMicrophone:
    """Places both microphones in a hall, drawn from `rng`."""
    near, far = float(rng.uniform(0.3, 0.6)), float(rng.uniform(1.2, 2.5))
    # The noise may come from any side.
    lead = float(rng.uniform(-1.0, 1.0)) * (far - near) / _SPEED_OF_SOUND
    return FarMicrophone(
        near=near,
        far=far,
        critical=float(rng.uniform(1.0, 2.0)),
        # The far microphone stands closer to the other machines.
        background=float(rng.uniform(1.0, 3.0)),
        lead=lead,
        reverberation=_reverberation(float(rng.uniform(0.3, 0.7)), rng),
    )


def _reverberation(decay: float, rng: np.random.Generator) -> Wave:
    """Noise that fades by 60 dB within `decay` s: `[samples]` float32, energy 1 before damping."""
    samples = round(decay * SAMPLE_RATE)
    fading = 10.0 ** (-3.0 * np.arange(samples) / samples)
    tail = (rng.standard_normal(samples) * fading).astype(np.float32)
    # Walls and air swallow the high frequencies; they never add to the low ones.
    damping = 1.0 / (1.0 + spectrum_frequencies(samples) / np.float32(3000.0))
    return filtered(tail, damping) / np.float32(np.linalg.norm(tail))
