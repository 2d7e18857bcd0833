"""Excerpts of a spectrogram: runs of neighbouring frames."""

import jax
import numpy as np


def excerpt_starts(frames: int, length: int, hop: int) -> np.ndarray:
    """First frames of all whole excerpts at a hop, `[excerpts]`.

    Raises:
        ValueError: the spectrogram is shorter than one excerpt.
    """
    if frames < length:
        raise ValueError(
            f"a window of {frames} frames holds no excerpt of {length} frames: "
            "enlarge detector.clip.samples"
        )
    return np.arange(0, frames - length + 1, hop)


def random_starts(
    key: jax.Array, clips: int, excerpts: int, frames: int, length: int, hop: int
) -> jax.Array:
    """First frames of excerpts drawn from those at a hop, without repetition: `[clips, excerpts]`.

    All of them, in a random order, where there are no more than asked for, or where 0 are asked for.
    """
    starts = excerpt_starts(frames, length, hop)
    keys = jax.random.split(key, clips)
    shuffled = jax.vmap(lambda key: jax.random.permutation(key, starts))(keys)
    return shuffled[:, : excerpts or len(starts)]


def cut_excerpts(level: jax.Array, starts: jax.Array, length: int) -> jax.Array:
    """`[clips, frames, mels]` and first frames `[clips, excerpts]` to `[clips, excerpts, length, mels]`."""

    def one(clip: jax.Array, start: jax.Array) -> jax.Array:
        return jax.lax.dynamic_slice_in_dim(clip, start, length, axis=0)

    return jax.vmap(jax.vmap(one, (None, 0)))(level, starts)
