"""Reconstruction-based spectrogram augmentation (Zhao's STgram collection, ICCC 2024): two networks in turn.

First a convolutional autoencoder learns to reconstruct the log-mel spectrograms. Then it stays as it is, and
TDNN-STgram learns the classes from every batch together with its reconstructions; a triplet loss between spectrograms
that are decoded from disturbed latents steadies its features. A clip is scored by the classifier alone.
"""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from asd_jax.detectors.base import Batch, Detector, Explanation, Metrics, TrainState
from asd_jax.detectors.conv_autoencoder import ConvAutoencoder, ConvAutoencoderConfig
from asd_jax.detectors.relevance import LOG_ODDS_RELEVANCE
from asd_jax.detectors.stgram_mfn import STgramMFN, STgramNetwork
from asd_jax.detectors.tdnn_stgram import TDNNSTgramConfig
from asd_jax.detectors.triplet_loss import triplet_loss
from asd_jax.features.logmel import waveform_from_int16
from asd_jax.nn.conv_autoencoder import ConvAutoencoderNetwork
from asd_jax.ranges import Count, CountOrNone, LearningRate, NonNegative, Positive

Augmentation = Literal["reconstruction", "doubled", "doubled+contrastive"]
"""What the classifier learns from: reconstructions alone, with the originals, and with the triplet loss as well."""


@dataclasses.dataclass(frozen=True)
class ReconstructionAugmentationConfig(TDNNSTgramConfig):
    """Settings of both stages; those of TDNN-STgram are the classifier's. The defaults are the collection's.

    Attributes:
        augmentation: "reconstruction", "doubled" or "doubled+contrastive".
        autoencoder_epochs: epochs of the first stage, out of the training's.
        autoencoder_rate: Adam's rate in the first stage, until its cosine starts as the classifier's does.
        class_weight: part of the class cross-entropy in the autoencoder's loss.
        autoencoder_channels: channels of the autoencoder's strided convolutions.
        latent: channels of the autoencoder's latent map.
        level_unit: decibels that both networks see as 1.
        contrast_weight: part of the triplet loss in the classifier's loss.
        contrast_margin: by how much the squared distances of positives and negatives should differ.
        positive_noise: positives get uniform noise from 0 up to this.
        negative_noise: standard deviation of the normal noise that negatives get.
        unscaled_scoring: give the classifier decibels when it scores, though it learned from scaled levels, as the
            collection's code does.
    """

    augmentation: Augmentation = "doubled+contrastive"
    autoencoder_epochs: CountOrNone = 40
    autoencoder_rate: LearningRate = 1e-3
    class_weight: NonNegative = 1.0
    autoencoder_channels: tuple[Count, ...] = (32, 64, 128)
    latent: Count = 256
    level_unit: Positive = 255.0
    contrast_weight: NonNegative = 0.1
    contrast_margin: NonNegative = 1.0
    positive_noise: NonNegative = 0.3
    negative_noise: NonNegative = 1.0
    unscaled_scoring: bool = False

    def build(self, classes: int, steps_per_epoch: int, epochs: int) -> Detector:
        return ReconstructionAugmentation(self, classes, steps_per_epoch, epochs)

    def autoencoder(self) -> ConvAutoencoderConfig:
        """The first stage's settings."""
        return ConvAutoencoderConfig(
            clip=self.clip,
            features=self.features,
            level_unit=self.level_unit,
            channels=self.autoencoder_channels,
            latent=self.latent,
            margin=self.margin,
            scale=self.scale,
            class_weight=self.class_weight,
            learning_rate=self.autoencoder_rate,
            hold_epochs=self.hold_epochs,
            half_period=self.half_period,
            lowest_rate=self.lowest_rate,
        )


class ReconstructionAugmentation(Detector):
    """The detector: the step decides the stage, so a run resumes in either.

    Params, statistics and optimiser of the state are dicts of `autoencoder` and `classifier`; each optimiser counts
    its own steps, and so each schedule begins with its stage.
    """

    score_names = ("nll_margin", "nll")
    relevance_kind = LOG_ODDS_RELEVANCE

    def __init__(
        self,
        config: ReconstructionAugmentationConfig,
        classes: int,
        steps_per_epoch: int,
        epochs: int,
    ):
        if config.autoencoder_epochs >= epochs:
            raise ValueError(
                f"the autoencoder's {config.autoencoder_epochs} epochs leave none of {epochs} to the classifier: "
                "enlarge training.epochs or lower detector.autoencoder_epochs"
            )
        self.config = config
        self.boundary = config.autoencoder_epochs * steps_per_epoch
        self.autoencoder = ConvAutoencoder(config.autoencoder(), classes, steps_per_epoch)
        self.classifier = STgramMFN(
            config, classes, steps_per_epoch, epochs - config.autoencoder_epochs
        )

    def init(self, key: jax.Array) -> TrainState:
        key, *keys = jax.random.split(key, 3)
        return _together(
            jnp.zeros((), jnp.int32),
            key,
            self.autoencoder.init(keys[0]),
            self.classifier.init(keys[1]),
        )

    def train_step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        level = self.autoencoder.hear(batch["waveform"])
        waveform = waveform_from_int16(batch["waveform"])
        return jax.lax.cond(
            state.step < self.boundary,
            self.learn_to_reconstruct,
            self.learn_to_classify,
            state,
            waveform,
            level,
            batch["class_id"],
        )

    def learn_to_reconstruct(
        self, state: TrainState, waveform: jax.Array, level: jax.Array, class_id: jax.Array
    ) -> tuple[TrainState, Metrics]:
        """A step of the first stage, on scaled log-mels `[batch, frames, mels]`; the waveform is not heard."""
        autoencoder, classifier = _apart(state)
        learned, metrics = self.autoencoder.learn(autoencoder, level, class_id)
        new_state = _together(state.step + 1, state.key, learned, classifier)
        return new_state, metrics | {"contrast": jnp.zeros_like(metrics["loss"])}

    def learn_to_classify(
        self, state: TrainState, waveform: jax.Array, level: jax.Array, class_id: jax.Array
    ) -> tuple[TrainState, Metrics]:
        """A step of the second stage: `[batch, samples]`, scaled `[batch, frames, mels]`, `[batch]`."""
        autoencoder, classifier = _apart(state)
        frozen = self.autoencoder.network(autoencoder.params)
        key = jax.random.fold_in(state.key, state.step)
        (_, (statistics, metrics)), gradients = jax.value_and_grad(self.objective, has_aux=True)(
            classifier.params, classifier.statistics, frozen, waveform, level, class_id, key
        )
        metrics |= {
            "gradient_norm": optax.global_norm(gradients),
            "learning_rate": self.classifier.schedule(state.step - self.boundary),
        }
        learned = classifier.after(gradients, self.classifier.optimizer, statistics)
        return _together(state.step + 1, state.key, autoencoder, learned), metrics

    def objective(
        self,
        params,
        statistics,
        frozen: ConvAutoencoderNetwork,
        waveform: jax.Array,
        level: jax.Array,
        class_id: jax.Array,
        key: jax.Array,
    ):
        """The classifier's loss on an augmented batch; also its new running statistics and the parts of the loss."""
        network = self.classifier.network(params, statistics)
        latent = frozen.encode(level)
        reconstruction = frozen.decode(latent)
        tgram = network.tgram(waveform)
        heard, seen, label = tgram, reconstruction, class_id
        if self.config.augmentation != "reconstruction":
            heard = jnp.concatenate([tgram, tgram])
            seen = jnp.concatenate([level, reconstruction])
            label = jnp.concatenate([class_id, class_id])
        feature = network.see(seen, heard, train=True).feature
        logits = self.classifier.logits(network, feature, label)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, label).mean()
        metrics = {
            "mse": jnp.mean(jnp.square(reconstruction - level)),
            "cross_entropy": loss,
            "accuracy": jnp.mean(self.classifier.guess(network, feature) == label),
            "contrast": jnp.zeros_like(loss),
        }
        if self.config.augmentation == "doubled+contrastive":
            metrics["contrast"] = self.contrast(network, frozen, tgram, latent, key)
            loss += self.config.contrast_weight * metrics["contrast"]
        return loss, (nnx.state(network, nnx.BatchStat), metrics | {"loss": loss})

    def contrast(
        self,
        network: STgramNetwork,
        frozen: ConvAutoencoderNetwork,
        tgram: jax.Array,
        latent: jax.Array,
        key: jax.Array,
    ) -> jax.Array:
        """Triplet loss on half of the batch: features of what is decoded from three variants of the latent map.

        The anchor is the map's mean everywhere, the positive the map with a little noise, the negative with much.
        """
        config = self.config
        choice_key, positive_key, negative_key = jax.random.split(key, 3)
        clips = len(latent)
        chosen = jax.random.permutation(choice_key, clips)[: max(clips // 2, 1)]
        tgram, latent = tgram[chosen], latent[chosen]
        variants = (
            jnp.broadcast_to(jnp.mean(latent, axis=(1, 2), keepdims=True), latent.shape),
            latent + config.positive_noise * jax.random.uniform(positive_key, latent.shape),
            latent + config.negative_noise * jax.random.normal(negative_key, latent.shape),
        )
        graph, params = nnx.graphdef(network), nnx.state(network, nnx.Param)

        def feature_of(statistics, variant: jax.Array):
            copy = nnx.merge(graph, params, statistics, copy=True)
            taps = copy.see(frozen.decode(variant), tgram, train=True)
            return nnx.state(copy, nnx.BatchStat), taps.image_network.feature

        # One pass after the other: batch normalisation must not mix the variants. A scan compiles the pass once.
        statistics, features = jax.lax.scan(
            feature_of, nnx.state(network, nnx.BatchStat), jnp.stack(variants)
        )
        nnx.update(network, statistics)
        return jnp.mean(triplet_loss(features[0], features[1], features[2], config.contrast_margin))

    def report(self, state: TrainState, batch: Batch) -> dict[str, jax.Array]:
        _, classifier = _apart(state)
        waveform = waveform_from_int16(batch["waveform"])
        level = self.config.features(waveform) / self._scoring_unit
        network = self.classifier.network(classifier.params, classifier.statistics)
        feature = network(waveform, level, train=False).feature
        scores = self.classifier.scores(network, feature, batch["candidates"])
        return {**scores, "embedding": feature}

    def explain(self, state: TrainState, batch: Batch) -> Explanation:
        _, classifier = _apart(state)
        return self.classifier.explain_levels(classifier, batch, self._scoring_unit)

    @property
    def _scoring_unit(self) -> float:
        return 1.0 if self.config.unscaled_scoring else self.config.level_unit


def _apart(state: TrainState) -> tuple[TrainState, TrainState]:
    """The autoencoder's and the classifier's parts of a state."""
    autoencoder, classifier = (
        state.replace(
            params=state.params[name],
            statistics=state.statistics[name],
            optimizer=state.optimizer[name],
        )
        for name in ("autoencoder", "classifier")
    )
    return autoencoder, classifier


def _together(
    step: jax.Array, key: jax.Array, autoencoder: TrainState, classifier: TrainState
) -> TrainState:
    parts = {"autoencoder": autoencoder, "classifier": classifier}
    return TrainState(
        step,
        key,
        {name: part.params for name, part in parts.items()},
        {name: part.statistics for name, part in parts.items()},
        {name: part.optimizer for name, part in parts.items()},
    )
