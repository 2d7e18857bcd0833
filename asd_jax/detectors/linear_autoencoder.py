"""A dense autoencoder whose bottleneck is also trained by contrast (Zhao's STgram collection).

It reconstructs vectors of neighbouring log-mel frames, as the DCASE baselines do. A triplet loss draws the bottlenecks
of one class together and pushes those of other classes away.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.base import Batch, Detector, DetectorConfig, Explanation, Metrics, TrainState
from asd_jax.detectors.minibatches import learn_in_minibatches
from asd_jax.detectors.relevance import VECTOR_RELEVANCE, reconstruction_errors
from asd_jax.detectors.schedules import hold_then_periodic_cosine
from asd_jax.detectors.triplet_loss import triplet_loss
from asd_jax.features.excerpts import excerpt_starts
from asd_jax.features.logmel import LogMel, stack_frames, waveform_from_int16
from asd_jax.nn.layers import BatchNorm
from asd_jax.ranges import Count, CountOrNone, LearningRate, NonNegative


@dataclasses.dataclass(frozen=True)
class LinearAutoencoderConfig(DetectorConfig):
    """Settings of the dense autoencoder with contrast.

    Attributes:
        clip: how clips become windows.
        features: log-mel front end.
        n_frames: frames a vector.
        excerpt_hop: frames between vectors.
        minibatch: vectors an optimiser step; 0 for all of the clips' at once.
        hidden: widths of the layers on each side of the bottleneck.
        bottleneck: length of the bottleneck, and of the embedding.
        contrast_weight: part of the triplet loss in the loss; 0 leaves the plain autoencoder.
        contrast_margin: by how much the squared distances of positives and negatives should differ.
        learning_rate: Adam's rate until the cosine starts.
        hold_epochs: epochs at the full rate.
        half_period: epochs from the full rate to the lowest, and back.
        lowest_rate: the lowest rate.
    """

    clip: WindowPolicy = WindowPolicy()
    features: LogMel = LogMel.dcase2021()
    n_frames: Count = 5
    excerpt_hop: Count = 1
    minibatch: CountOrNone = 512
    hidden: tuple[Count, ...] = (128, 128, 128, 128)
    bottleneck: Count = 8
    contrast_weight: NonNegative = 0.1
    contrast_margin: NonNegative = 1.0
    learning_rate: LearningRate = 1e-3
    hold_epochs: CountOrNone = 15
    half_period: CountOrNone = 5
    lowest_rate: LearningRate = 5e-5

    def windows(self) -> WindowPolicy:
        return self.clip

    def build(self, classes: int, steps_per_epoch: int, epochs: int) -> "LinearAutoencoder":
        return LinearAutoencoder(self, steps_per_epoch)

    @property
    def vectors(self) -> int:
        """Vectors of a window."""
        whole = self.features.frames(self.clip.samples) - self.n_frames + 1
        return -(-max(whole, 0) // self.excerpt_hop)


class LinearAutoencoderNetwork(nnx.Module):
    """Dense layers with batch normalisation: `[examples, inputs]` to the same and to `[examples, bottleneck]`.

    The bottleneck is normalised and rectified as every other layer; the output is linear.
    """

    def __init__(self, inputs: int, hidden: Sequence[int], bottleneck: int, *, rngs: nnx.Rngs):
        down = (inputs, *hidden, bottleneck)
        up = down[:0:-1]
        self.encoder = nnx.List(
            [NormalisedLinear(a, b, rngs=rngs) for a, b in itertools.pairwise(down)]
        )
        self.decoder = nnx.List(
            [NormalisedLinear(a, b, rngs=rngs) for a, b in itertools.pairwise(up)]
        )
        self.output = nnx.Linear(up[-1], inputs, rngs=rngs)

    def __call__(self, x: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
        for layer in self.encoder:
            x = layer(x, train=train)
        bottleneck = x
        for layer in self.decoder:
            x = layer(x, train=train)
        return self.output(x), bottleneck


class NormalisedLinear(nnx.Module):
    """Linear layer, batch normalisation (slow statistics, as the 2023 baseline's), rectifier."""

    def __init__(self, inputs: int, outputs: int, *, rngs: nnx.Rngs):
        self.linear = nnx.Linear(inputs, outputs, rngs=rngs)
        self.norm = BatchNorm(outputs, momentum=0.01, epsilon=1e-3)

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        return jax.nn.relu(self.norm(self.linear(x), train=train))


class LinearAutoencoder(Detector):
    """The detector: mean squared error plus a triplet loss between bottlenecks, Adam."""

    score_names = ("mse",)
    relevance_kind = VECTOR_RELEVANCE

    def __init__(self, config: LinearAutoencoderConfig, steps_per_epoch: int):
        if config.vectors < 1:
            raise ValueError(
                f"a window of {config.clip.samples} samples holds no vector of {config.n_frames} frames: "
                "enlarge detector.clip.samples"
            )
        self.config = config
        self.inputs = config.n_frames * config.features.n_mels
        self._steps_per_epoch = steps_per_epoch
        shapes = nnx.eval_shape(lambda: self._new_network(nnx.Rngs(0)))
        self._graph = nnx.graphdef(shapes)
        # The rate changes by epochs of the training loop, while Adam counts minibatches: it is applied here.
        self.schedule = hold_then_periodic_cosine(
            config.learning_rate,
            steps_per_epoch,
            config.hold_epochs,
            config.half_period,
            config.lowest_rate,
        )
        self.optimizer = optax.scale_by_adam()

    def _new_network(self, rngs: nnx.Rngs) -> LinearAutoencoderNetwork:
        return LinearAutoencoderNetwork(
            self.inputs, self.config.hidden, self.config.bottleneck, rngs=rngs
        )

    def init(self, key: jax.Array) -> TrainState:
        key, network_key = jax.random.split(key)
        network = self._new_network(nnx.Rngs(network_key))
        return TrainState.of_network(key, network, self.optimizer)

    def train_step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        vectors = self.hear(batch["waveform"])
        examples = {
            "vector": vectors.reshape(-1, self.inputs),
            "class_id": jnp.repeat(batch["class_id"], vectors.shape[1]),
        }
        new_state, metrics = learn_in_minibatches(
            state,
            examples,
            self.config.minibatch,
            jax.random.fold_in(state.key, state.step),
            lambda state, part, key: self.learn(state, part["vector"], part["class_id"], key),
        )
        return new_state.replace(step=state.step + 1), metrics

    def hear(self, waveform: jax.Array) -> jax.Array:
        """int16 `[batch, samples]` to vectors of neighbouring frames, `[batch, vectors, inputs]`."""
        level = self.config.features(waveform_from_int16(waveform))
        return stack_frames(level, self.config.n_frames, self.config.excerpt_hop)

    def learn(
        self, state: TrainState, vectors: jax.Array, class_id: jax.Array, key: jax.Array
    ) -> tuple[TrainState, Metrics]:
        """One optimiser step on vectors `[examples, inputs]` of known classes `[examples]`; the step does not count."""
        (_, (statistics, metrics)), gradients = jax.value_and_grad(self.objective, has_aux=True)(
            state.params, state.statistics, vectors, class_id, key
        )
        directions, optimizer = self.optimizer.update(gradients, state.optimizer, state.params)
        rate = self.schedule(state.step)
        metrics |= {"gradient_norm": optax.global_norm(gradients), "learning_rate": rate}
        params = jax.tree.map(lambda p, d: p - rate * d, state.params, directions)
        return state.replace(params=params, statistics=statistics, optimizer=optimizer), metrics

    def objective(self, params, statistics, vectors, class_id, key):
        """Reconstruction error plus weighted contrast of a minibatch; also the new running statistics."""
        network = self.network(params, statistics)
        reconstruction, bottleneck = network(vectors, train=True)
        mse = jnp.mean(jnp.square(reconstruction - vectors))
        contrast = jnp.zeros((), mse.dtype)
        if self.config.contrast_weight:
            contrast = class_contrast(bottleneck, class_id, key, self.config.contrast_margin)
        loss = mse + self.config.contrast_weight * contrast
        metrics = {"loss": loss, "mse": mse, "contrast": contrast}
        return loss, (nnx.state(network, nnx.BatchStat), metrics)

    def report(self, state: TrainState, batch: Batch) -> dict[str, jax.Array]:
        network = self.network(state.params, state.statistics)

        def one(waveform: jax.Array) -> dict[str, jax.Array]:
            vectors = self.hear(waveform[None])[0]
            reconstruction, bottleneck = network(vectors, train=False)
            return {
                "mse": jnp.mean(jnp.square(reconstruction - vectors)),
                "embedding": jnp.mean(bottleneck, axis=0),
            }

        # Clip by clip: the vectors repeat every frame `n_frames` times.
        return jax.lax.map(one, batch["waveform"])

    def explain(self, state: TrainState, batch: Batch) -> Explanation:
        length = self.config.n_frames
        network = self.network(state.params, state.statistics)

        def reconstruct(excerpts: jax.Array) -> jax.Array:
            vectors = excerpts.reshape(len(excerpts), -1)
            return network(vectors, train=False)[0].reshape(excerpts.shape)

        log_mel = self.config.features(waveform_from_int16(batch["waveform"]))
        starts = excerpt_starts(log_mel.shape[1], length, self.config.excerpt_hop)
        return Explanation(log_mel, reconstruction_errors(reconstruct, log_mel, starts, length))

    def network(self, params, statistics) -> LinearAutoencoderNetwork:
        """The network with these variables; what it records stays in this copy."""
        return nnx.merge(self._graph, params, statistics, copy=True)


def class_contrast(
    features: jax.Array, class_id: jax.Array, key: jax.Array, margin: float
) -> jax.Array:
    """Mean triplet loss of examples against one random other of their class and one of another class.

    Examples that lack either are left out; 0 where all do.

    Args:
        features: `[examples, features]`.
        class_id: `[examples]`.
        key: of the choice.
        margin: of the triplet loss.
    """
    alike = class_id[:, None] == class_id[None, :]
    others = alike & ~jnp.eye(len(class_id), dtype=bool)
    positive_key, negative_key = jax.random.split(key)
    positive = features[_one_of(others, positive_key)]
    negative = features[_one_of(~alike, negative_key)]
    complete = jnp.any(others, axis=1) & ~jnp.all(alike, axis=1)
    losses = jnp.where(complete, triplet_loss(features, positive, negative, margin), 0.0)
    return jnp.sum(losses) / jnp.maximum(jnp.sum(complete), 1)


def _one_of(choices: jax.Array, key: jax.Array) -> jax.Array:
    """A random column of every row among those that are true: `[rows, columns]` to `[rows]`."""
    draw = jax.random.uniform(key, choices.shape)
    return jnp.argmax(jnp.where(choices, draw, -1.0), axis=1)
