"""How the Anomaly Transformer learns: reconstruction and the minimax game of its associations in one backward pass."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from asd_jax.detectors.anomaly_attention import AnomalyTransformerNetwork, AnomalyTransformerTaps
from asd_jax.detectors.association import Evidence, evidence, minimax_discrepancy
from asd_jax.detectors.base import Metrics, TrainState
from asd_jax.ranges import Count, LearningRate, NonNegative, Positive


@dataclasses.dataclass(frozen=True)
class MinimaxConfig:
    """Settings that machine sound and plain time series share; the defaults are the published ones.

    Attributes:
        width: of the embedding (published: d_model).
        heads: of every attention (n_heads).
        feed_forward: hidden units between attentions (d_ff).
        layers: encoder layers (e_layers).
        discrepancy_weight: of the association discrepancy beside the reconstruction error (k).
        temperature: sharpness of the softmax over a window's discrepancies in the score.
        learning_rate: Adam's.
        halve_rate: halve the rate every epoch from the third on, as the published code does in its ten epochs.
    """

    width: Count = 512
    heads: Count = 8
    feed_forward: Count = 512
    layers: Count = 3
    discrepancy_weight: NonNegative = 3.0
    temperature: Positive = 50.0
    learning_rate: LearningRate = 1e-4
    halve_rate: bool = False


class MinimaxLearner:
    """The network and its optimiser for windows of some channels; every method is pure."""

    def __init__(self, config: MinimaxConfig, channels: int, steps_per_epoch: int):
        self.config = config
        self.channels = channels
        self.steps_per_epoch = steps_per_epoch
        self.optimizer = optax.scale_by_adam()
        self._graph = nnx.graphdef(nnx.eval_shape(lambda: self.network(jax.random.key(0))))

    def network(self, key: jax.Array) -> AnomalyTransformerNetwork:
        """A network with initial weights."""
        config = self.config
        return AnomalyTransformerNetwork(
            self.channels,
            width=config.width,
            heads=config.heads,
            feed_forward=config.feed_forward,
            layers=config.layers,
            rngs=nnx.Rngs(key),
        )

    def init(self, key: jax.Array) -> TrainState:
        """The state before the first step; without statistics."""
        key, network_key = jax.random.split(key)
        params = nnx.state(self.network(network_key), nnx.Param)
        return TrainState(jnp.zeros((), jnp.int32), key, params, {}, self.optimizer.init(params))

    def apply(self, params: Any, windows: jax.Array) -> AnomalyTransformerTaps:
        """Windows `[batch, time, channels]` through the network."""
        return nnx.merge(self._graph, params, copy=True)(windows)

    def learning_rate(self, step: jax.Array) -> jax.Array:
        """Adam's rate at a step of the training."""
        rate = jnp.asarray(self.config.learning_rate, jnp.float32)
        if not self.config.halve_rate:
            return rate
        epoch = step // self.steps_per_epoch
        return rate * 0.5 ** jnp.maximum(epoch - 1, 0).astype(jnp.float32)

    def objective(self, params: Any, windows: jax.Array) -> tuple[jax.Array, Metrics]:
        """The published code's two losses as one scalar: its value is their sum, its gradient their gradients' sum.

        They are error - k * discrepancy (prior detached) and error + k * discrepancy (series detached), so the
        discrepancies cancel in the value but not in the gradient.
        """
        taps = self.apply(params, windows)
        error = jnp.mean(jnp.square(windows - taps.output))
        game = minimax_discrepancy(taps.associations)
        pull = game - jax.lax.stop_gradient(game)
        loss = 2 * error + self.config.discrepancy_weight * pull
        return loss, {"reconstruction": error, "discrepancy": game}

    def learn(
        self, state: TrainState, windows: jax.Array, key: jax.Array | None = None
    ) -> tuple[TrainState, Metrics]:
        """One step of Adam on windows `[batch, time, channels]`; `state.step` is left to the caller.

        The key is of no use: nothing here is random.
        """
        (loss, parts), gradients = jax.value_and_grad(self.objective, has_aux=True)(
            state.params, windows
        )
        moves, optimizer = self.optimizer.update(gradients, state.optimizer)
        rate = self.learning_rate(state.step)
        params = jax.tree.map(
            lambda value, move: value - rate.astype(value.dtype) * move, state.params, moves
        )
        metrics = {
            "loss": loss,
            **parts,
            "gradient_norm": optax.global_norm(gradients),
            "learning_rate": rate,
        }
        return state.replace(params=params, optimizer=optimizer), metrics

    def evidence(self, params: Any, windows: jax.Array) -> tuple[Evidence, jax.Array]:
        """What speaks for an anomaly at every step of windows, and the encoder's output `[batch, time, width]`."""
        taps = self.apply(params, windows)
        return evidence(windows, taps, self.config.temperature), taps.encoded
