"""Cutting waveforms into overlapping frames."""

import jax
import jax.numpy as jnp


def frame(waveform: jax.Array, length: int, hop: int) -> jax.Array:
    """All whole frames of a waveform.

    Args:
        waveform: `[batch, samples]`, at least `length` samples.
        length: samples a frame.
        hop: samples from one frame's start to the next one's.

    Returns:
        `[batch, frames, length]` with `frames = (samples - length) // hop + 1`.

    Raises:
        ValueError: the waveform is shorter than one frame.
    """
    batch, samples = waveform.shape
    if samples < length:
        raise ValueError(f"a waveform of {samples} samples holds no frame of {length} samples")
    frames = (samples - length) // hop + 1
    if length % hop:
        positions = jnp.arange(frames)[:, None] * hop + jnp.arange(length)[None, :]
        return waveform[:, positions]
    # Whole hops side by side are plain slices: no gather, which XLA would run element by element.
    per_frame = length // hop
    hops = waveform[:, : (frames + per_frame - 1) * hop].reshape(batch, frames + per_frame - 1, hop)
    return jnp.concatenate([hops[:, i : i + frames] for i in range(per_frame)], axis=-1)
