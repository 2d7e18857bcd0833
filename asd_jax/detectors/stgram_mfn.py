"""STgram-MFN (Liu et al., ICASSP 2022, arXiv 2201.05510): machine-ID classification on two views of a clip.

The log-mel spectrogram and a learned temporal spectrogram (TgramNet) are the two channels of an image; MobileFaceNet
turns it into an embedding, and ArcFace separates the classes by angle. A clip that the network does not recognise as
its own class is anomalous: the score is the negative log-likelihood of the true class.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.base import Batch, Detector, DetectorConfig, Explanation, Metrics, TrainState
from asd_jax.detectors.class_scores import (
    log_odds_against,
    negative_log_likelihood,
    require_two_classes,
)
from asd_jax.detectors.relevance import (
    LOG_ODDS_RELEVANCE,
    integrated_gradients,
    log_mels_of_normals,
)
from asd_jax.detectors.schedules import hold_then_cosine
from asd_jax.features.logmel import LogMel, waveform_from_int16
from asd_jax.nn.arcface import ArcFace
from asd_jax.nn.mobilefacenet import (
    STGRAM_STAGES,
    BottleneckStage,
    MobileFaceNet,
    MobileFaceNetTaps,
    image_of,
)
from asd_jax.nn.tdnn import TDNN
from asd_jax.nn.tgram import TgramNet
from asd_jax.ranges import Count, CountOrNone, LearningRate, NonNegative, Positive


@dataclasses.dataclass(frozen=True)
class STgramMFNConfig(DetectorConfig):
    """Settings of STgram-MFN; the defaults are the published ones.

    Attributes:
        clip: how clips become windows; the published code hears the first 10 s.
        features: log-mel front end.
        arcface: classify with ArcFace; otherwise with a plain linear layer and cross-entropy.
        margin: ArcFace's margin in radians.
        scale: ArcFace's scale.
        sub_centers: ArcFace's centres a class.
        easy_margin: ArcFace's easy margin.
        embedding: length of the image network's feature, which is the embedding unless a projection follows.
        projection: outputs of a linear layer between the feature and the class head; 0 for none.
        width: channels of MobileFaceNet's stem.
        stages: MobileFaceNet's bottleneck stages (expansion, channels, repetitions, stride).
        head_channels: channels in front of MobileFaceNet's pooling.
        learning_rate: Adam's rate until the cosine starts.
        hold_epochs: epochs at the full rate.
    """

    clip: WindowPolicy = WindowPolicy()
    features: LogMel = LogMel.stgram()
    arcface: bool = True
    margin: NonNegative = 0.7
    scale: Positive = 30.0
    sub_centers: Count = 1
    easy_margin: bool = False
    embedding: Count = 128
    projection: CountOrNone = 0
    width: Count = 64
    stages: tuple[BottleneckStage, ...] = STGRAM_STAGES
    head_channels: Count = 512
    learning_rate: LearningRate = 1e-4
    hold_epochs: CountOrNone = 20

    def windows(self) -> WindowPolicy:
        return self.clip

    def build(self, classes: int, steps_per_epoch: int, epochs: int) -> Detector:
        return STgramMFN(self, classes, steps_per_epoch, epochs)

    def schedule(self, steps_per_epoch: int, epochs: int) -> optax.Schedule:
        """Adam's rate at every step."""
        return hold_then_cosine(self.learning_rate, epochs, steps_per_epoch, self.hold_epochs)

    def temporal_network(self, rngs: nnx.Rngs) -> TgramNet | TDNN:
        """What makes the second plane of the image from the waveform; frames and bands are those of the log-mel."""
        mel = self.features
        return TgramNet(mel.frames(self.clip.samples), mel.n_mels, mel.n_fft, mel.hop, rngs=rngs)


class STgramTaps(NamedTuple):
    """What the network computes on its way; `feature` is what the class head compares."""

    tgram: jax.Array
    image_network: MobileFaceNetTaps
    feature: jax.Array


class STgramNetwork(nnx.Module):
    """The temporal network and MobileFaceNet with both class heads (the linear one is unused under ArcFace)."""

    def __init__(self, config: STgramMFNConfig, classes: int, *, rngs: nnx.Rngs):
        mel = config.features
        self.tgram = config.temporal_network(rngs)
        self.image_network = MobileFaceNet(
            (mel.n_mels, mel.frames(config.clip.samples)),
            2,
            features=config.embedding,
            width=config.width,
            stages=config.stages,
            head_channels=config.head_channels,
            rngs=rngs,
        )
        features = config.projection or config.embedding
        self.projection = (
            nnx.Linear(config.embedding, features, rngs=rngs) if config.projection else None
        )
        self.arcface = ArcFace(
            features,
            classes,
            sub_centers=config.sub_centers,
            margin=config.margin,
            scale=config.scale,
            easy_margin=config.easy_margin,
            rngs=rngs,
        )
        self.linear = nnx.Linear(features, classes, rngs=rngs)

    def __call__(self, waveform: jax.Array, log_mel: jax.Array, *, train: bool) -> STgramTaps:
        """`[batch, samples]` and `[batch, frames, mels]` to the embedding `[batch, projection or embedding]`."""
        return self.see(log_mel, self.tgram(waveform), train=train)

    def see(self, log_mel: jax.Array, tgram: jax.Array, *, train: bool) -> STgramTaps:
        """The image network on both planes, `[batch, frames, mels]` each."""
        taps = self.image_network(image_of((log_mel, tgram)), train=train)
        feature = taps.feature if self.projection is None else self.projection(taps.feature)
        return STgramTaps(tgram, taps, feature)


class STgramMFN(Detector):
    """The detector: cross-entropy on ArcFace's logits, Adam, hold-then-cosine schedule."""

    score_names = ("nll_margin", "nll")
    relevance_kind = LOG_ODDS_RELEVANCE

    def __init__(self, config: STgramMFNConfig, classes: int, steps_per_epoch: int, epochs: int):
        require_two_classes(classes)
        self.config = config
        self.classes = classes
        self.schedule = config.schedule(steps_per_epoch, epochs)
        self.optimizer = optax.adam(self.schedule)
        shapes = nnx.eval_shape(lambda: STgramNetwork(config, classes, rngs=nnx.Rngs(0)))
        self._graph = nnx.graphdef(shapes)

    def init(self, key: jax.Array) -> TrainState:
        key, network_key = jax.random.split(key)
        network = STgramNetwork(self.config, self.classes, rngs=nnx.Rngs(network_key))
        return TrainState.of_network(key, network, self.optimizer)

    def train_step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        waveform = waveform_from_int16(batch["waveform"])
        return self.learn(state, waveform, self.config.features(waveform), batch["class_id"])

    def learn(
        self, state: TrainState, waveform: jax.Array, log_mel: jax.Array, class_id: jax.Array
    ) -> tuple[TrainState, Metrics]:
        """The step on features that are already there: `[batch, samples]`, `[batch, frames, mels]`, `[batch]`."""
        (loss, (statistics, accuracy)), gradients = jax.value_and_grad(
            self.objective, has_aux=True
        )(state.params, state.statistics, waveform, log_mel, class_id)
        metrics = {
            "loss": loss,
            "accuracy": accuracy,
            "gradient_norm": optax.global_norm(gradients),
            "learning_rate": self.schedule(state.step),
        }
        learned = state.after(gradients, self.optimizer, statistics)
        return learned.replace(step=state.step + 1), metrics

    def objective(self, params, statistics, waveform, log_mel, class_id):
        """Cross-entropy of a batch; also the new running statistics and the accuracy without margin."""
        network = self.network(params, statistics)
        feature = network(waveform, log_mel, train=True).feature
        logits = self.logits(network, feature, class_id)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, class_id).mean()
        accuracy = jnp.mean(self.guess(network, feature) == class_id)
        return loss, (nnx.state(network, nnx.BatchStat), accuracy)

    def class_centers(self, state: TrainState) -> jax.Array | None:
        if not self.config.arcface:
            return None
        weight = state.params["arcface"]["weight"][...]
        return weight.reshape(self.classes, self.config.sub_centers, -1)

    def report(self, state: TrainState, batch: Batch) -> dict[str, jax.Array]:
        waveform = waveform_from_int16(batch["waveform"])
        network = self.network(state.params, state.statistics)
        feature = network(waveform, self.config.features(waveform), train=False).feature
        scores = self.scores(network, feature, batch["candidates"])
        return {**scores, "embedding": feature}

    def scores(
        self, network: STgramNetwork, feature: jax.Array, candidates: jax.Array
    ) -> dict[str, jax.Array]:
        """Negative log-likelihoods of the likeliest candidate class, with and without the margin, `[batch]` each.

        Beside them `class_log_probabilities`, `[batch, classes]`, without the margin.

        Args:
            network: the network in evaluation.
            feature: `[batch, embedding]`.
            candidates: `[batch, classes]` bool; one true class as a rule, several where a test clip hides its domain.
        """
        plain = self._plain_logits(network, feature)
        as_true = self._true_logits(network, feature)
        return {
            "nll_margin": negative_log_likelihood(plain, as_true, candidates),
            "nll": negative_log_likelihood(plain, plain, candidates),
            "class_log_probabilities": jax.nn.log_softmax(plain),
        }

    def explain(self, state: TrainState, batch: Batch) -> Explanation:
        return self.explain_levels(state, batch, level_unit=1.0)

    def explain_levels(self, state: TrainState, batch: Batch, level_unit: float) -> Explanation:
        """The explanation of a network that sees `level_unit` decibels as 1.

        The learned spectrogram stays as it is: the relevance is that of the log-mel plane.
        """
        network = self.network(state.params, state.statistics)
        waveform = waveform_from_int16(batch["waveform"])
        log_mel = self.config.features(waveform)
        tgram = network.tgram(waveform)

        def log_odds(level: jax.Array) -> jax.Array:
            feature = network.see(level / level_unit, tgram, train=False).feature
            plain = self._plain_logits(network, feature)
            return log_odds_against(plain, self._true_logits(network, feature), batch["candidates"])

        normals = log_mels_of_normals(self.config.features, batch["normal_waveform"])
        return Explanation(log_mel, integrated_gradients(log_odds, log_mel, normals))

    def network(self, params, statistics) -> STgramNetwork:
        """The network with these variables; what it records stays in this copy."""
        return nnx.merge(self._graph, params, statistics, copy=True)

    def logits(self, network: STgramNetwork, feature: jax.Array, class_id: jax.Array) -> jax.Array:
        """What the cross-entropy sees, with the margin at the true class: `[batch, classes]`."""
        if self.config.arcface:
            return network.arcface.logits(feature, class_id)
        return network.linear(feature)

    def guess(self, network: STgramNetwork, feature: jax.Array) -> jax.Array:
        """The likeliest class, `[batch]`."""
        return jnp.argmax(self._plain_logits(network, feature), axis=-1)

    def _plain_logits(self, network: STgramNetwork, feature: jax.Array) -> jax.Array:
        if self.config.arcface:
            return self.config.scale * network.arcface.cosines(feature)
        return network.linear(feature)

    def _true_logits(self, network: STgramNetwork, feature: jax.Array) -> jax.Array:
        """The logit that each class would have as the true one, `[batch, classes]`."""
        if not self.config.arcface:
            return network.linear(feature)
        return self.config.scale * network.arcface.with_margin(network.arcface.cosines(feature))
