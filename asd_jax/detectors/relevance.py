"""Where in a spectrogram an anomaly score comes from: what the detectors' explanations share."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from asd_jax.features.excerpts import cut_excerpts
from asd_jax.features.logmel import LogMel, waveform_from_int16

VECTOR_RELEVANCE = (
    "squared reconstruction error of every bin in dB², mean over the vectors that hold it; "
    "the mean over all vectors is the score mse"
)
GENERATOR_RELEVANCE = (
    "squared reconstruction error of every bin in levels that map the training clips' range to 2, mean over the "
    "excerpts that hold it; the sum over all excerpts is the score G_x_2_sum"
)
LOG_ODDS_RELEVANCE = (
    "what every bin adds to the logarithm of the odds against the clip's own class (the default score before its "
    "softplus), compared with training normals of its section: integrated gradients with regard to the log-mel"
)
INTEGRATION_STEPS = 4


def rejoined(excerpts: jax.Array, starts: np.ndarray, frames: int) -> jax.Array:
    """Values of a clip's excerpts as one spectrogram, the mean where excerpts overlap, 0 where there is none.

    Args:
        excerpts: `[excerpts, length, mels]`.
        starts: first frame of every excerpt, `[excerpts]`.
        frames: of the spectrogram.

    Returns:
        `[frames, mels]`.
    """
    _, length, mels = excerpts.shape
    where = (np.asarray(starts)[:, None] + np.arange(length)).ravel()
    count = np.maximum(np.bincount(where, minlength=frames), 1).astype(np.float32)
    total = jnp.zeros((frames, mels), excerpts.dtype).at[where].add(excerpts.reshape(-1, mels))
    return total / count[:, None]


def reconstruction_errors(
    reconstruct: Callable[[jax.Array], jax.Array],
    level: jax.Array,
    starts: np.ndarray,
    length: int,
) -> jax.Array:
    """Squared errors of clips' excerpts, rejoined: `[batch, frames, mels]` to the same.

    Args:
        reconstruct: excerpts `[excerpts, length, mels]` of one clip to their reconstructions.
        level: `[batch, frames, mels]` as the network sees it.
        starts: first frame of every excerpt, `[excerpts]`.
        length: frames of an excerpt.
    """

    def one(clip: jax.Array) -> jax.Array:
        excerpts = cut_excerpts(clip[None], jnp.asarray(starts)[None], length)[0]
        return rejoined(jnp.square(excerpts - reconstruct(excerpts)), starts, len(clip))

    # Clip by clip: the excerpts repeat every frame many times.
    return jax.lax.map(one, level)


def log_mels_of_normals(features: LogMel, waveform: jax.Array) -> jax.Array:
    """int16 `[batch, normals, samples]` to log-mels `[batch, normals, frames, mels]`."""
    flat = features(waveform_from_int16(waveform.reshape(-1, waveform.shape[-1])))
    return flat.reshape(*waveform.shape[:2], *flat.shape[1:])


def integrated_gradients(
    score: Callable[[jax.Array], jax.Array],
    log_mel: jax.Array,
    baselines: jax.Array,
    steps: int = INTEGRATION_STEPS,
) -> jax.Array:
    """What each bin adds to the score on the straight ways from some baselines (Sundararajan et al. 2017, equation 1).

    The mean over several baselines is called expected gradients (Erion et al. 2021). The bins' sum is the score less
    the baselines' mean score, up to the error of the midpoint rule. That rule's points are shifted from one baseline to
    the next: together they sample the ways as finely as `steps * baselines` points would one of them.

    Args:
        score: `[batch, frames, mels]` to `[batch]`, each clip by itself.
        log_mel: `[batch, frames, mels]` in dB.
        baselines: `[batch, baselines, frames, mels]`: what is nothing special.
        steps: points of every way at which the gradient is taken.

    Returns:
        `[batch, frames, mels]` in units of the score; positive where a bin raises it.
    """
    count = baselines.shape[1]
    gradient = jax.grad(lambda level: jnp.sum(score(level)))

    def add(total: jax.Array, point: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        number, part = point
        difference = log_mel - baselines[:, number]
        return total + difference * gradient(log_mel - (1 - part) * difference), None

    numbers, parts = np.indices((count, steps)).reshape(2, -1)
    places = (parts + (numbers + 0.5) / count) / steps
    points = jnp.asarray(numbers), jnp.asarray(places, log_mel.dtype)
    total, _ = jax.lax.scan(add, jnp.zeros_like(log_mel), points)
    return total / len(places)
