"""AEGAN-AD (Jiang et al., arXiv 2303.17949): an autoencoder and a discriminator that train each other.

The generator reconstructs excerpts of a clip's log-mel spectrogram; a Wasserstein discriminator with gradient penalty
learns to tell them from real ones, and its features, matched between both, help the generator. A clip is anomalous
where the reconstruction fails (the `G_` scores), or where the discriminator's features lie far from those of normal
clips (the `D_` scores).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.aegan_networks import Discriminator, DiscriminatorTaps, Generator, image_of
from asd_jax.detectors.aegan_objective import (
    SCORE_NAMES,
    gradient_penalty,
    matching_loss,
    mix,
    reconstruction_scores,
)
from asd_jax.detectors.base import Batch, Detector, DetectorConfig, Explanation, Metrics, TrainState
from asd_jax.detectors.minibatches import learn_in_minibatches
from asd_jax.detectors.relevance import GENERATOR_RELEVANCE, reconstruction_errors
from asd_jax.features.excerpts import cut_excerpts, excerpt_starts, random_starts
from asd_jax.features.level_range import scaled_by_range, unseen_range, widened_range
from asd_jax.features.logmel import LogMel, waveform_from_int16
from asd_jax.nn.normalisation import NormKind
from asd_jax.ranges import Count, CountOrNone, LearningRate, NonNegative, Positive, Share
from asd_jax.scoring.settings import FittedScore, ScorerConfig


@dataclasses.dataclass(frozen=True)
class AEGANADConfig(DetectorConfig):
    """Settings of AEGAN-AD; the defaults are those of the published code for fans (DCASE 2020).

    Attributes:
        clip: how clips become windows; the published code hears all of a clip.
        features: log-mel front end; excerpts are square, as many frames as mel bands.
        encoder_channels: channels behind the first convolution of the encoder and of the discriminator.
        decoder_channels: channels in front of the decoder's last convolution.
        latent: length of the generator's latent vector.
        generator_norm: normalisation of the generator's images: layer, batch, instance or none.
        discriminator_norm: normalisation of the discriminator's images.
        first_norm: normalise behind the encoder's first convolution (DCASE 2022: not for bearing, fan, ToyCar).
        mean_weight: weight of the distance between real and reconstructed mean features (mu_1 in the paper).
        deviation_weight: weight of the distance between their standard deviations (mu_2).
        penalty_weight: weight of the gradient penalty (lambda).
        epsilon: added under the roots of the gradient's norm and of the standard deviation; 0 is the published code's
            value, with which gradients are NaN at zero.
        generator_rate: Adam's rate for the generator.
        discriminator_rate: Adam's rate for the discriminator.
        beta1: Adam's decay of the mean gradient.
        beta2: Adam's decay of the mean squared gradient.
        excerpts_per_clip: excerpts heard of a clip in training, drawn anew each time; 0 for all.
        excerpt_hop: frames between the starts of excerpts in training.
        excerpt_hop_test: frames between the starts of excerpts in reports.
        minibatch: excerpts an optimiser step; 0 for all of the batch of clips.
    """

    clip: WindowPolicy = WindowPolicy()
    features: LogMel = LogMel.aegan()
    encoder_channels: Count = 32
    decoder_channels: Count = 32
    latent: Count = 256
    generator_norm: NormKind = "layer"
    discriminator_norm: NormKind = "layer"
    first_norm: bool = True
    mean_weight: NonNegative = 1.0
    deviation_weight: NonNegative = 0.0
    penalty_weight: NonNegative = 10.0
    epsilon: Positive = 1e-12
    generator_rate: LearningRate = 2e-4
    discriminator_rate: LearningRate = 2e-4
    beta1: Share = 0.5
    beta2: Share = 0.999
    excerpts_per_clip: CountOrNone = 0
    excerpt_hop: Count = 1
    excerpt_hop_test: Count = 1
    minibatch: CountOrNone = 512

    has_schedule: ClassVar[bool] = False

    def windows(self) -> WindowPolicy:
        return self.clip

    def build(self, classes: int, steps_per_epoch: int, epochs: int) -> "AEGANAD":
        return AEGANAD(self)


class AEGANAD(Detector):
    """The detector: one discriminator step and one generator step a minibatch, both with Adam.

    It has no use for classes: train one model for each machine type, as the paper does.
    """

    score_names = SCORE_NAMES
    relevance_kind = GENERATOR_RELEVANCE
    fitted_scores: ClassVar[Mapping[str, FittedScore]] = {
        "D_maha": FittedScore("mahalanobis", ScorerConfig(group="machine_type")),
        "D_knn": FittedScore("knn", ScorerConfig(group="machine_type", neighbours=2)),
        "D_lof": FittedScore("lof", ScorerConfig(group="machine_type", neighbours=4)),
        "D_cos": FittedScore("cosine", ScorerConfig(group="machine_type")),
    }
    observes_training_data = True

    def __init__(self, config: AEGANADConfig):
        self.config = config
        self.frames = config.features.frames(config.clip.samples)
        self.size = config.features.n_mels
        excerpt_starts(self.frames, self.size, config.excerpt_hop)
        betas = {"b1": config.beta1, "b2": config.beta2}
        self.optimizers = {
            "generator": optax.adam(config.generator_rate, **betas),
            "discriminator": optax.adam(config.discriminator_rate, **betas),
        }
        shapes = nnx.eval_shape(lambda: self.networks(nnx.Rngs(0)))
        self._graphs = {name: nnx.graphdef(network) for name, network in shapes.items()}

    def networks(self, rngs: nnx.Rngs) -> dict[str, Any]:
        """The `generator` and the `discriminator` with new weights."""
        config = self.config
        generator = Generator(
            self.size,
            config.encoder_channels,
            config.decoder_channels,
            config.latent,
            config.generator_norm,
            first_norm=config.first_norm,
            rngs=rngs,
        )
        discriminator = Discriminator(
            self.size, config.encoder_channels, config.discriminator_norm, rngs=rngs
        )
        return {"generator": generator, "discriminator": discriminator}

    def init(self, key: jax.Array) -> TrainState:
        key, network_key = jax.random.split(key)
        params, statistics = {}, {}
        for name, network in self.networks(nnx.Rngs(network_key)).items():
            params[name], statistics[name] = nnx.state(network, nnx.Param, ...)
        optimizer = {name: self.optimizers[name].init(params[name]) for name in params}
        return TrainState(
            jnp.zeros((), jnp.int32), key, params, statistics | unseen_range(), optimizer
        )

    def observe(self, state: TrainState, batch: Batch) -> TrainState:
        """Widens the range of levels, in dB, by these clips'."""
        level = self.config.features(waveform_from_int16(batch["waveform"]))
        known = state.statistics
        return state.replace(statistics=known | widened_range(known, level))

    def scaled_level(self, state: TrainState, batch: Batch) -> jax.Array:
        """Log-mel `[batch, frames, mels]` with the training clips' range at [-1, 1]."""
        level = self.config.features(waveform_from_int16(batch["waveform"]))
        return scaled_by_range(state.statistics, level)

    def train_step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        config = self.config
        excerpt_key, learn_key = jax.random.split(jax.random.fold_in(state.key, state.step))
        level = self.scaled_level(state, batch)
        starts = random_starts(
            excerpt_key,
            len(level),
            config.excerpts_per_clip,
            self.frames,
            self.size,
            config.excerpt_hop,
        )
        excerpts = cut_excerpts(level, starts, self.size).reshape(-1, self.size, self.size)

        def learn(state: TrainState, excerpts: jax.Array, key: jax.Array):
            return self.learn(state, excerpts, jax.random.uniform(key, (len(excerpts),)))

        state, metrics = learn_in_minibatches(state, excerpts, config.minibatch, learn_key, learn)
        return state.replace(step=state.step + 1), metrics

    def learn(
        self, state: TrainState, excerpts: jax.Array, alpha: jax.Array
    ) -> tuple[TrainState, Metrics]:
        """Both optimisers' step on scaled excerpts `[batch, frames, mels]`; the caller counts `state.step`.

        Args:
            state: before the step.
            excerpts: of normal clips.
            alpha: part of the real image in the mixture at which the gradient is penalised, `[batch]` in [0, 1].
        """
        image = image_of(excerpts)
        params, known = state.params, state.statistics

        def reconstruct(params):
            return self.reconstruct(params, known["generator"], image)

        # The discriminator's step leaves the generator as it is: one forward pass serves both steps.
        reconstruction, pull_back, generator_statistics = jax.vjp(
            reconstruct, params["generator"], has_aux=True
        )
        loss_of_judge = jax.grad(self.discriminator_loss, has_aux=True)
        gradients, (statistics, judge_metrics) = loss_of_judge(
            params["discriminator"], known["discriminator"], image, reconstruction, alpha
        )
        state = self._apply(state, "discriminator", gradients, statistics)
        image_gradient, (statistics, metrics) = jax.grad(self.generator_loss, has_aux=True)(
            reconstruction, state.params["discriminator"], statistics, image
        )
        state = state.replace(statistics=state.statistics | {"discriminator": statistics})
        (gradients,) = pull_back(image_gradient)
        state = self._apply(state, "generator", gradients, generator_statistics)
        return state, metrics | judge_metrics

    def _apply(self, state: TrainState, name: str, gradients, statistics) -> TrainState:
        updates, optimizer = self.optimizers[name].update(
            gradients, state.optimizer[name], state.params[name]
        )
        params = optax.apply_updates(state.params[name], updates)
        return state.replace(
            params=state.params | {name: params},
            statistics=state.statistics | {name: statistics},
            optimizer=state.optimizer | {name: optimizer},
        )

    def reconstruct(self, params, statistics, image: jax.Array) -> tuple[jax.Array, nnx.State]:
        """The generator in training: images of the same shape, and its new running statistics."""
        network = self.network("generator", params, statistics)
        return network(image, train=True), nnx.state(network, nnx.BatchStat)

    def judge(self, params, statistics, image: jax.Array) -> tuple[DiscriminatorTaps, nnx.State]:
        """The discriminator in training, and its new running statistics."""
        network = self.network("discriminator", params, statistics)
        return network(image, train=True), nnx.state(network, nnx.BatchStat)

    def discriminator_loss(self, params, statistics, image, reconstruction, alpha):
        """Wasserstein loss with gradient penalty (equation 1); also the new statistics and metrics.

        Args:
            params: of the discriminator.
            statistics: of the discriminator.
            image: real ones, `[batch, mels, frames, 1]`.
            reconstruction: of the same shape.
            alpha: `[batch]`.
        """
        real, statistics = self.judge(params, statistics, image)
        fake, statistics = self.judge(params, statistics, reconstruction)

        def predict(mixture):
            taps, new_statistics = self.judge(params, statistics, mixture)
            return taps.prediction, new_statistics

        mixture = mix(image, reconstruction, alpha)
        penalty, statistics = gradient_penalty(predict, mixture, self.config.epsilon)
        distance = jnp.mean(real.prediction) - jnp.mean(fake.prediction)
        loss = self.config.penalty_weight * penalty - distance
        metrics = {"discriminator_loss": loss, "wasserstein": distance, "gradient_penalty": penalty}
        return loss, (statistics, metrics)

    def generator_loss(self, reconstruction, params, statistics, image):
        """Reconstruction error and feature matching (equations 2 and 3); also the new statistics and metrics.

        Args:
            reconstruction: `[batch, mels, frames, 1]`.
            params: of the discriminator.
            statistics: of the discriminator.
            image: what was to be reconstructed.
        """
        real, statistics = self.judge(params, statistics, image)
        fake, statistics = self.judge(params, statistics, reconstruction)
        error = jnp.mean(jnp.square(image - reconstruction))
        matching = matching_loss(
            real.feature,
            fake.feature,
            self.config.mean_weight,
            self.config.deviation_weight,
            self.config.epsilon,
        )
        metrics = {"loss": error + matching, "reconstruction": error, "matching": matching}
        return error + matching, (statistics, metrics)

    def report(self, state: TrainState, batch: Batch) -> dict[str, jax.Array]:
        starts = jnp.asarray(excerpt_starts(self.frames, self.size, self.config.excerpt_hop_test))

        def one(level: jax.Array) -> dict[str, jax.Array]:
            return self.describe(state, cut_excerpts(level[None], starts[None], self.size)[0])

        # All excerpts of a batch of clips at once would need gigabytes.
        return jax.lax.map(one, self.scaled_level(state, batch))

    def describe(self, state: TrainState, excerpts: jax.Array) -> dict[str, jax.Array]:
        """Scores and embedding of one clip from its scaled excerpts `[excerpts, frames, mels]`."""
        networks = {
            name: self.network(name, state.params[name], state.statistics[name])
            for name in self._graphs
        }
        image = image_of(excerpts)
        generator = networks["generator"]
        latent = generator.encoder(image, train=False).latent
        reconstruction = generator.decoder(latent, train=False).image
        latent_again = generator.encoder(reconstruction, train=False).latent
        feature = networks["discriminator"](image, train=False).feature
        scores = reconstruction_scores(image, reconstruction, latent, latent_again)
        return scores | {"embedding": jnp.mean(feature, axis=0)}

    def explain(self, state: TrainState, batch: Batch) -> Explanation:
        known = (state.params["generator"], state.statistics["generator"])
        generator = self.network("generator", *known)
        starts = excerpt_starts(self.frames, self.size, self.config.excerpt_hop_test)
        level = self.scaled_level(state, batch)
        errors = reconstruction_errors(generator.reconstructed, level, starts, self.size)
        return Explanation(self.config.features(waveform_from_int16(batch["waveform"])), errors)

    def network(self, name: str, params, statistics):
        """The `generator` or the `discriminator` with these variables."""
        return nnx.merge(self._graphs[name], params, statistics, copy=True)
