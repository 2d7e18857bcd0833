"""Network of the Anomaly Transformer (Xu et al., ICLR 2022, arXiv 2110.02642, section 3.1).

Each attention layer says twice how every time step relates to the others of its window: the series association is what
the data show (softmax attention), the prior association is a Gaussian around the step whose width sigma is learned.
Here a layer returns sigma; `asd_jax.detectors.association` makes the Gaussian of it.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from asd_jax.nn.layers import he_uniform

_SIGMA_STEEPNESS = 5.0
_SMALLEST_EXPONENT = 1e-5


class Association(NamedTuple):
    """How the time steps of a window relate to each other, in one layer.

    Attributes:
        series: attention weights, `[batch, heads, time, time]`; rows sum to 1.
        sigma: width of the prior's Gaussian around every step, in time steps, `[batch, heads, time]`.
    """

    series: jax.Array
    sigma: jax.Array


class AnomalyTransformerTaps(NamedTuple):
    """What the network computes on its way.

    Attributes:
        value_embedding: without the positions, `[batch, time, width]`.
        embedding: with them.
        layers: output of every layer, `[batch, time, width]` each.
        associations: of every layer.
        encoded: the last layer, normalised.
        output: the reconstructed window, `[batch, time, channels]`.
    """

    value_embedding: jax.Array
    embedding: jax.Array
    layers: tuple[jax.Array, ...]
    associations: tuple[Association, ...]
    encoded: jax.Array
    output: jax.Array


class ValueEmbedding(nnx.Module):
    """Each step with its two neighbours, the window taken as a ring: `[batch, time, channels]` to `[..., width]`."""

    def __init__(self, channels: int, width: int, *, rngs: nnx.Rngs):
        initialiser = nnx.initializers.he_normal()
        self.kernel = nnx.Param(initialiser(rngs.params(), (3, channels, width)))

    def __call__(self, x: jax.Array) -> jax.Array:
        with_neighbours = jnp.concatenate(
            [jnp.roll(x, 1, axis=1), x, jnp.roll(x, -1, axis=1)], axis=-1
        )
        # One product instead of a convolution, which XLA runs far slower on a CPU.
        kernel = self.kernel[...]
        return with_neighbours @ kernel.reshape(-1, kernel.shape[-1])


def positions(time: int, width: int) -> np.ndarray:
    """Sinusoids of falling frequency that tell the steps apart (Vaswani et al. 2017, section 3.5), `[time, width]`."""
    frequency = np.exp(np.arange(0, width, 2) * (-math.log(10000.0) / width))
    angle = np.arange(time)[:, None] * frequency
    table = np.empty((time, width))
    table[:, 0::2] = np.sin(angle)
    table[:, 1::2] = np.cos(angle[:, : width // 2])
    return table


class AnomalyAttention(nnx.Module):
    """Multi-head attention that also learns how far each step's prior association reaches (equations 2 and 3)."""

    def __init__(self, width: int, heads: int, *, rngs: nnx.Rngs):
        self.query = _linear(width, width, rngs)
        self.key = _linear(width, width, rngs)
        self.value = _linear(width, width, rngs)
        self.sigma = _linear(width, heads, rngs)
        self.out = _linear(width, width, rngs)
        self.heads = heads

    def __call__(self, x: jax.Array) -> tuple[jax.Array, Association]:
        """`[batch, time, width]` to the same shape, and the layer's association."""
        query, key, value = (self._split(part(x)) for part in (self.query, self.key, self.value))
        logits = jnp.einsum("blhe,bshe->bhls", query, key) / math.sqrt(query.shape[-1])
        series = jax.nn.softmax(logits, axis=-1)
        mixed = jnp.einsum("bhls,bshe->blhe", series, value).reshape(x.shape)
        return self.out(mixed), Association(series, self._width_of_prior(x))

    def _split(self, x: jax.Array) -> jax.Array:
        return x.reshape(*x.shape[:2], self.heads, -1)

    def _width_of_prior(self, x: jax.Array) -> jax.Array:
        """Sigma between almost 0 and 2 steps, from the published code: 3^s - 1 of a steep sigmoid s."""
        steep = jax.nn.sigmoid(_SIGMA_STEEPNESS * self.sigma(x)) + _SMALLEST_EXPONENT
        return jnp.swapaxes(jnp.power(3.0, steep) - 1.0, 1, 2)


class EncoderLayer(nnx.Module):
    """Anomaly attention and a feed-forward network, each added to its input and then normalised (equation 1)."""

    def __init__(self, width: int, heads: int, feed_forward: int, *, rngs: nnx.Rngs):
        self.attention = AnomalyAttention(width, heads, rngs=rngs)
        self.attention_norm = _layer_norm(width, rngs)
        self.expand = _linear(width, feed_forward, rngs)
        self.contract = _linear(feed_forward, width, rngs)
        self.norm = _layer_norm(width, rngs)

    def __call__(self, x: jax.Array) -> tuple[jax.Array, Association]:
        """`[batch, time, width]` to the same shape, and the layer's association."""
        attended, association = self.attention(x)
        x = self.attention_norm(x + attended)
        hidden = jax.nn.gelu(self.expand(x), approximate=False)
        return self.norm(x + self.contract(hidden)), association


class AnomalyTransformerNetwork(nnx.Module):
    """Embedding, encoder and projection back to the channels.

    Args:
        channels: of the series.
        width: of the embedding (published: d_model).
        heads: of every attention; they divide the width.
        feed_forward: hidden units between attentions (d_ff).
        layers: encoder layers (e_layers).

    Raises:
        ValueError: the heads do not divide the width.
    """

    def __init__(
        self,
        channels: int,
        *,
        width: int = 512,
        heads: int = 8,
        feed_forward: int = 512,
        layers: int = 3,
        rngs: nnx.Rngs,
    ):
        if width % heads:
            raise ValueError(f"detector.width={width} cannot be split over {heads} heads")
        self.value_embedding = ValueEmbedding(channels, width, rngs=rngs)
        self.layers = nnx.List(
            [EncoderLayer(width, heads, feed_forward, rngs=rngs) for _ in range(layers)]
        )
        self.norm = _layer_norm(width, rngs)
        self.projection = _linear(width, channels, rngs)

    def __call__(self, x: jax.Array) -> AnomalyTransformerTaps:
        """Windows `[batch, time, channels]` to their reconstructions and associations."""
        values = self.value_embedding(x)
        embedding = values + jnp.asarray(positions(*values.shape[1:]), values.dtype)
        hidden, outputs, associations = embedding, [], []
        for layer in self.layers:
            hidden, association = layer(hidden)
            outputs.append(hidden)
            associations.append(association)
        encoded = self.norm(hidden)
        return AnomalyTransformerTaps(
            values,
            embedding,
            tuple(outputs),
            tuple(associations),
            encoded,
            self.projection(encoded),
        )


def _linear(inputs: int, outputs: int, rngs: nnx.Rngs) -> nnx.Linear:
    return nnx.Linear(inputs, outputs, kernel_init=he_uniform, rngs=rngs)


def _layer_norm(width: int, rngs: nnx.Rngs) -> nnx.LayerNorm:
    # The fast variance E[x^2] - E[x]^2 cancels digits that parity needs.
    return nnx.LayerNorm(width, epsilon=1e-5, use_fast_variance=False, rngs=rngs)
