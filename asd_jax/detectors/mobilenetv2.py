"""MobileNetV2 baseline of DCASE 2021 Task 2 (Kawaguchi et al., arXiv 2106.04492, section 4.2): section classification.

Images of 64 log-mel frames are classified by the machine's section. The score is the log-odds against the clip's own
section, mean over its images.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import lax

from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.base import Batch, Detector, DetectorConfig, Explanation, Metrics, TrainState
from asd_jax.detectors.class_scores import logsumexp_of_others, require_two_classes
from asd_jax.detectors.keras_adam import keras_adam
from asd_jax.detectors.minibatches import learn_in_minibatches
from asd_jax.detectors.relevance import (
    LOG_ODDS_RELEVANCE,
    integrated_gradients,
    log_mels_of_normals,
)
from asd_jax.features.excerpts import excerpt_starts, random_starts
from asd_jax.features.logmel import DOUBLE_EPSILON, LogMel, waveform_from_int16
from asd_jax.nn.mobilenetv2 import PUBLISHED_STAGES, InvertedStage, MobileNetV2
from asd_jax.ranges import Count, CountOrNone, LearningRate, PartOfAll, Positive


@dataclasses.dataclass(frozen=True)
class MobileNetV2Config(DetectorConfig):
    """Settings of the MobileNetV2 baseline; the defaults are the published ones.

    Attributes:
        clip: how clips become windows; one window holds many images.
        features: log-mel front end.
        frames: frames an image.
        excerpt_hop: frames between images.
        scoring_hop: frames between images when a clip is scored; 0 means `excerpt_hop`. The published code learns at
            hop 8 and scores at hop 1.
        excerpts_per_clip: images of a clip to learn from in a step, drawn at random; 0 for all.
        minibatch: images an optimiser step; 0 for all of a batch of clips.
        alpha: factor on the channels of every stage.
        image_channels: the image stands in so many equal channels.
        width: channels of the stem before `alpha`.
        stages: stages of inverted residuals (expansion, channels before `alpha`, repetitions, stride).
        head_channels: channels in front of the pooling.
        momentum: the new batch's part in the running statistics.
        learning_rate: Adam's rate.
    """

    clip: WindowPolicy = WindowPolicy()
    features: LogMel = LogMel.dcase2021()
    frames: Count = 64
    excerpt_hop: Count = 8
    scoring_hop: CountOrNone = 0
    excerpts_per_clip: CountOrNone = 0
    minibatch: CountOrNone = 32
    alpha: Positive = 0.5
    image_channels: Count = 3
    width: Count = 32
    stages: tuple[InvertedStage, ...] = PUBLISHED_STAGES
    head_channels: Count = 1280
    momentum: PartOfAll = 0.001
    learning_rate: LearningRate = 1e-5

    has_schedule: ClassVar[bool] = False

    def windows(self) -> WindowPolicy:
        return self.clip

    def build(self, classes: int, steps_per_epoch: int, epochs: int) -> "MobileNetV2Baseline":
        return MobileNetV2Baseline(self, classes)

    def network(self, classes: int, *, rngs: nnx.Rngs) -> MobileNetV2:
        """The network of these sizes."""
        return MobileNetV2(
            classes,
            alpha=self.alpha,
            image_channels=self.image_channels,
            width=self.width,
            stages=self.stages,
            head_channels=self.head_channels,
            momentum=self.momentum,
            rngs=rngs,
        )


class MobileNetV2Baseline(Detector):
    """The detector: cross-entropy over the sections, Keras's Adam at a constant rate.

    The score `log_odds_kawaguchi` is what the published code computes: its logarithm of 1 - p encloses that of p.

    Raises:
        ValueError: there is one class only, or a window is shorter than an image.
    """

    score_names = ("log_odds", "log_odds_kawaguchi")
    relevance_kind = LOG_ODDS_RELEVANCE

    def __init__(self, config: MobileNetV2Config, classes: int):
        require_two_classes(classes)
        frames = config.features.frames(config.clip.samples)
        self._starts = excerpt_starts(
            frames, config.frames, config.scoring_hop or config.excerpt_hop
        )
        self.config = config
        self.classes = classes
        self.optimizer = keras_adam(config.learning_rate)
        shapes = nnx.eval_shape(lambda: config.network(classes, rngs=nnx.Rngs(0)))
        self._graph = nnx.graphdef(shapes)

    def init(self, key: jax.Array) -> TrainState:
        key, network_key = jax.random.split(key)
        network = self.config.network(self.classes, rngs=nnx.Rngs(network_key))
        return TrainState.of_network(key, network, self.optimizer)

    def train_step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        config = self.config
        level = config.features(waveform_from_int16(batch["waveform"]))
        draw_key, order_key = jax.random.split(jax.random.fold_in(state.key, state.step))
        clips, frames, mels = level.shape
        starts = random_starts(
            draw_key, clips, config.excerpts_per_clip, frames, config.frames, config.excerpt_hop
        )
        places = jnp.stack([jnp.indices(starts.shape)[0], starts], axis=-1).reshape(-1, 2)

        # Places are shuffled, not images: these overlap and would take eight times the memory.
        def learn(state: TrainState, chosen: jax.Array, _: jax.Array) -> tuple[TrainState, Metrics]:
            def image(place: jax.Array) -> jax.Array:
                corner = (place[0], place[1], jnp.zeros((), place.dtype))
                return lax.dynamic_slice(level, corner, (1, config.frames, mels))[0]

            return self.learn(state, jax.vmap(image)(chosen), batch["class_id"][chosen[:, 0]])

        state, metrics = learn_in_minibatches(state, places, config.minibatch, order_key, learn)
        return state.replace(step=state.step + 1), metrics

    def learn(
        self, state: TrainState, images: jax.Array, class_id: jax.Array
    ) -> tuple[TrainState, Metrics]:
        """One step of the optimiser on `[minibatch, frames, mels]`; `state.step` counts batches of clips and stays."""
        (loss, (statistics, accuracy)), gradients = jax.value_and_grad(
            self.objective, has_aux=True
        )(state.params, state.statistics, images, class_id)
        metrics = {
            "loss": loss,
            "accuracy": accuracy,
            "gradient_norm": optax.global_norm(gradients),
        }
        return state.after(gradients, self.optimizer, statistics), metrics

    def objective(self, params, statistics, images, class_id):
        """Cross-entropy of a minibatch; also the new running statistics and the accuracy."""
        network = self.network(params, statistics)
        logits = network(images, train=True).logits
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, class_id).mean()
        accuracy = jnp.mean(jnp.argmax(logits, axis=-1) == class_id)
        return loss, (nnx.state(network, nnx.BatchStat), accuracy)

    def report(self, state: TrainState, batch: Batch) -> dict[str, jax.Array]:
        """The scores, and as `embedding` the mean of the images' pooled features."""
        level = self.config.features(waveform_from_int16(batch["waveform"]))
        logits, pooled = self._hear(self.network(state.params, state.statistics), level)
        return {
            **clip_scores(logits, batch["candidates"]),
            "class_log_probabilities": jnp.mean(jax.nn.log_softmax(logits), axis=0),
            "embedding": jnp.mean(pooled, axis=0),
        }

    def explain(self, state: TrainState, batch: Batch) -> Explanation:
        network = self.network(state.params, state.statistics)
        log_mel = self.config.features(waveform_from_int16(batch["waveform"]))

        def log_odds(level: jax.Array) -> jax.Array:
            logits, _ = self._hear(network, level)
            return clip_scores(logits, batch["candidates"])["log_odds"]

        normals = log_mels_of_normals(self.config.features, batch["normal_waveform"])
        return Explanation(log_mel, integrated_gradients(log_odds, log_mel, normals))

    def _hear(self, network: MobileNetV2, level: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Logits `[images, clips, classes]` and pooled features `[images, clips, features]` of all images."""

        # One image of every clip at a time: memory stays small, and devices that share the clips stay busy.
        @jax.checkpoint
        def hear(start: jax.Array) -> tuple[jax.Array, jax.Array]:
            images = lax.dynamic_slice_in_dim(level, start, self.config.frames, axis=1)
            taps = network(images, train=False)
            return taps.logits, taps.pooled

        return lax.map(hear, jnp.asarray(self._starts))

    def network(self, params: nnx.State, statistics: nnx.State) -> MobileNetV2:
        """The network with these weights."""
        return nnx.merge(self._graph, params, statistics, copy=True)


def clip_scores(logits: jax.Array, candidates: jax.Array) -> dict[str, jax.Array]:
    """Scores of clips from all their images: that of the best fitting candidate class, `[clips]` each.

    Args:
        logits: `[images, clips, classes]`.
        candidates: `[clips, classes]` bool.
    """
    by_class = {
        # log(1 - p) - log(p) straight from the logits: p itself would round to 1 for a confident network.
        "log_odds": logsumexp_of_others(logits) - logits,
        "log_odds_kawaguchi": log_odds_kawaguchi(jax.nn.softmax(logits)),
    }
    return {
        name: jnp.min(jnp.where(candidates, jnp.mean(values, axis=0), jnp.inf), axis=-1)
        for name, values in by_class.items()
    }


def log_odds_kawaguchi(probability: jax.Array) -> jax.Array:
    """The published code's log((1 - p) - log(p)), where log(1 - p) - log(p) was meant; both p and 1 - p clamped."""
    epsilon = np.float32(DOUBLE_EPSILON)
    log_probability = jnp.log(jnp.maximum(probability, epsilon))
    return jnp.log(jnp.maximum(1.0 - probability, epsilon) - log_probability)
