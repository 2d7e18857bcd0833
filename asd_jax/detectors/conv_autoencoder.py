"""A convolutional autoencoder whose latent also tells the classes apart (Zhao's STgram collection, ICCC 2024).

It reconstructs the log-mel spectrogram of a clip, and ArcFace on the mean of its latent map names the clip's class.
An anomalous clip is reconstructed badly, or not recognised as its class.
"""

import dataclasses

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.base import Batch, Detector, DetectorConfig, Explanation, Metrics, TrainState
from asd_jax.detectors.class_scores import negative_log_likelihood
from asd_jax.detectors.schedules import hold_then_periodic_cosine
from asd_jax.features.logmel import LogMel, waveform_from_int16
from asd_jax.nn.conv_autoencoder import AutoencoderTaps, ConvAutoencoderNetwork
from asd_jax.ranges import Count, CountOrNone, LearningRate, NonNegative, Positive


@dataclasses.dataclass(frozen=True)
class ConvAutoencoderConfig(DetectorConfig):
    """Settings of the convolutional autoencoder; the defaults are the collection's.

    Attributes:
        clip: how clips become windows; the number of frames must be a multiple of 8 and at least 32.
        features: log-mel front end.
        level_unit: decibels that the network sees as 1: its output ends at that level.
        channels: channels of the strided convolutions.
        latent: channels of the latent map, and length of the embedding.
        margin: ArcFace's margin in radians.
        scale: ArcFace's scale.
        class_weight: part of the class cross-entropy in the loss.
        learning_rate: Adam's rate until the cosine starts.
        hold_epochs: epochs at the full rate.
        half_period: epochs from the full rate to the lowest, and back.
        lowest_rate: the lowest rate.
    """

    clip: WindowPolicy = WindowPolicy(samples=147000, short="mirror")
    features: LogMel = LogMel.stgram()
    level_unit: Positive = 255.0
    channels: tuple[Count, ...] = (32, 64, 128)
    latent: Count = 256
    margin: NonNegative = 0.5
    scale: Positive = 32.0
    class_weight: NonNegative = 1.0
    learning_rate: LearningRate = 1e-3
    hold_epochs: CountOrNone = 15
    half_period: CountOrNone = 5
    lowest_rate: LearningRate = 5e-5

    def windows(self) -> WindowPolicy:
        return self.clip

    def build(self, classes: int, steps_per_epoch: int, epochs: int) -> "ConvAutoencoder":
        return ConvAutoencoder(self, classes, steps_per_epoch)

    def network(self, classes: int, *, rngs: nnx.Rngs) -> ConvAutoencoderNetwork:
        """The network of these sizes."""
        return ConvAutoencoderNetwork(
            self.features.frames(self.clip.samples),
            self.features.n_mels,
            classes,
            channels=self.channels,
            latent=self.latent,
            margin=self.margin,
            scale=self.scale,
            rngs=rngs,
        )


class ConvAutoencoder(Detector):
    """The detector: mean squared error plus cross-entropy on ArcFace's logits, Adam."""

    score_names = ("mse", "nll_margin", "nll")
    relevance_kind = (
        "squared reconstruction error of every bin, in squares of the level unit (detector.level_unit, in dB); "
        "its mean is the score mse"
    )

    def __init__(self, config: ConvAutoencoderConfig, classes: int, steps_per_epoch: int):
        self.config = config
        self.classes = classes
        self.schedule = hold_then_periodic_cosine(
            config.learning_rate,
            steps_per_epoch,
            config.hold_epochs,
            config.half_period,
            config.lowest_rate,
        )
        self.optimizer = optax.adam(self.schedule)
        shapes = nnx.eval_shape(lambda: config.network(classes, rngs=nnx.Rngs(0)))
        self._graph = nnx.graphdef(shapes)

    def init(self, key: jax.Array) -> TrainState:
        key, network_key = jax.random.split(key)
        network = self.config.network(self.classes, rngs=nnx.Rngs(network_key))
        params = nnx.state(network, nnx.Param)
        return TrainState(jnp.zeros((), jnp.int32), key, params, {}, self.optimizer.init(params))

    def train_step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        return self.learn(state, self.hear(batch["waveform"]), batch["class_id"])

    def hear(self, waveform: jax.Array) -> jax.Array:
        """int16 `[batch, samples]` to the scaled log-mel `[batch, frames, mels]`."""
        return self.config.features(waveform_from_int16(waveform)) / self.config.level_unit

    def learn(
        self, state: TrainState, level: jax.Array, class_id: jax.Array
    ) -> tuple[TrainState, Metrics]:
        """The step on scaled log-mels `[batch, frames, mels]` that are already there."""
        (_, metrics), gradients = jax.value_and_grad(self.objective, has_aux=True)(
            state.params, level, class_id
        )
        metrics |= {
            "gradient_norm": optax.global_norm(gradients),
            "learning_rate": self.schedule(state.step),
        }
        learned = state.after(gradients, self.optimizer, state.statistics)
        return learned.replace(step=state.step + 1), metrics

    def objective(self, params, level, class_id):
        """Reconstruction error plus class cross-entropy of a batch, and both apart."""
        network = self.network(params)
        taps = network(level)
        mse = jnp.mean(jnp.square(taps.reconstruction - level))
        logits = network.arcface.logits(taps.pooled, class_id)
        cross_entropy = optax.softmax_cross_entropy_with_integer_labels(logits, class_id).mean()
        loss = mse + self.config.class_weight * cross_entropy
        guess = jnp.argmax(network.arcface.cosines(taps.pooled), axis=-1)
        return loss, {
            "loss": loss,
            "mse": mse,
            "cross_entropy": cross_entropy,
            "accuracy": jnp.mean(guess == class_id),
        }

    def report(self, state: TrainState, batch: Batch) -> dict[str, jax.Array]:
        level = self.hear(batch["waveform"])
        network = self.network(state.params)
        taps = network(level)
        return {**self.scores(network, taps, level, batch["candidates"]), "embedding": taps.pooled}

    def scores(
        self,
        network: ConvAutoencoderNetwork,
        taps: AutoencoderTaps,
        level: jax.Array,
        candidates: jax.Array,
    ) -> dict[str, jax.Array]:
        """Reconstruction error and negative log-likelihoods with and without the margin, `[batch]` each.

        Beside them `class_log_probabilities`, `[batch, classes]`, without the margin.
        """
        cosines = network.arcface.cosines(taps.pooled)
        logits = self.config.scale * cosines
        with_margin = self.config.scale * network.arcface.with_margin(cosines)
        return {
            "mse": jnp.mean(jnp.square(taps.reconstruction - level), axis=(1, 2)),
            "nll_margin": negative_log_likelihood(logits, with_margin, candidates),
            "nll": negative_log_likelihood(logits, logits, candidates),
            "class_log_probabilities": jax.nn.log_softmax(logits),
        }

    def explain(self, state: TrainState, batch: Batch) -> Explanation:
        level = self.hear(batch["waveform"])
        error = self.network(state.params)(level).reconstruction - level
        return Explanation(level * self.config.level_unit, jnp.square(error))

    def network(self, params) -> ConvAutoencoderNetwork:
        """The network with these parameters."""
        return nnx.merge(self._graph, params, copy=True)
