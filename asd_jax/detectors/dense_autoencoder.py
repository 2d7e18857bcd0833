"""The dense autoencoders of the DCASE Task 2 baselines: what cannot be reconstructed is anomalous.

Vectors of neighbouring log-mel frames pass a bottleneck (Koizumi et al., DCASE 2020, arXiv 2006.05822, section 4.1).
The score is the mean squared error; since 2023 also the selective Mahalanobis distance of the frames' errors
(Harada et al., arXiv 2303.00455, section 3).
"""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.base import Batch, Detector, DetectorConfig, Explanation, Metrics, TrainState
from asd_jax.detectors.keras_adam import keras_adam
from asd_jax.detectors.minibatches import learn_in_minibatches
from asd_jax.detectors.relevance import VECTOR_RELEVANCE, reconstruction_errors
from asd_jax.features.excerpts import excerpt_starts, random_starts
from asd_jax.features.logmel import LogMel, stack_frames, waveform_from_int16
from asd_jax.nn.layers import BatchNorm, he_uniform
from asd_jax.ranges import Count, CountOrNone, LearningRate, PartOfAll
from asd_jax.scoring.settings import FittedScore, ScorerConfig

Framework = Literal["keras", "pytorch"]


@dataclasses.dataclass(frozen=True)
class DenseAutoencoderConfig(DetectorConfig):
    """Settings of the dense autoencoder; the defaults are the baseline of 2020.

    Attributes:
        clip: how clips become windows; one window holds many vectors.
        features: log-mel front end.
        stack_frames: frames a vector.
        excerpt_hop: frames between vectors.
        excerpts_per_clip: vectors of a clip to learn from in a step, drawn at random; 0 for all.
        minibatch: vectors an optimiser step; 0 for all of a batch of clips.
        encoder: units of the layers in front of the bottleneck.
        bottleneck: units of the bottleneck.
        decoder: units of the layers behind it.
        framework: whose initial weights, running variances and Adam: "keras" up to 2022, "pytorch" since 2023.
        momentum: the new batch's part in the running statistics.
        learning_rate: Adam's rate.
    """

    clip: WindowPolicy = WindowPolicy()
    features: LogMel = LogMel.dcase2020()
    stack_frames: Count = 5
    excerpt_hop: Count = 1
    excerpts_per_clip: CountOrNone = 0
    minibatch: CountOrNone = 512
    encoder: tuple[Count, ...] = (128, 128, 128, 128)
    bottleneck: Count = 8
    decoder: tuple[Count, ...] = (128, 128, 128, 128)
    framework: Framework = "keras"
    momentum: PartOfAll = 0.01
    learning_rate: LearningRate = 1e-3

    has_schedule: ClassVar[bool] = False

    @classmethod
    def dcase2021(cls) -> "DenseAutoencoderConfig":
        """Baseline of DCASE 2021 and 2022: that of 2020 on slightly other log-mels."""
        return cls(features=LogMel.dcase2021())

    @classmethod
    def dcase2023(cls) -> "DenseAutoencoderConfig":
        """Baseline since DCASE 2023, in PyTorch."""
        return cls(features=LogMel.dcase2021(), minibatch=256, framework="pytorch")

    @property
    def inputs(self) -> int:
        """Length of a vector."""
        return self.stack_frames * self.features.n_mels

    def windows(self) -> WindowPolicy:
        return self.clip

    def build(self, classes: int, steps_per_epoch: int, epochs: int) -> "DenseAutoencoder":
        return DenseAutoencoder(self)


class DenseAutoencoderNetwork(nnx.Module):
    """Dense layers, each but the last with batch normalisation and ReLU, `[..., inputs]` to `[..., inputs]`."""

    def __init__(self, config: DenseAutoencoderConfig, *, rngs: nnx.Rngs):
        widths = [config.inputs, *config.encoder, config.bottleneck, *config.decoder, config.inputs]
        pairs = list(itertools.pairwise(widths))
        is_keras = config.framework == "keras"
        make = _keras_dense if is_keras else _pytorch_linear
        self.layers = nnx.List([make(inputs, outputs, rngs) for inputs, outputs in pairs])
        self.norms = nnx.List(
            [
                BatchNorm(outputs, momentum=config.momentum, epsilon=1e-3, unbiased=not is_keras)
                for _, outputs in pairs[:-1]
            ]
        )
        self.bottleneck = len(config.encoder)

    def __call__(self, vectors: jax.Array, *, train: bool) -> tuple[jax.Array, jax.Array]:
        """The reconstruction and the bottleneck, after its rectifier, of `[..., inputs]`."""
        x, bottleneck = vectors, vectors
        for i, norm in enumerate(self.norms):
            x = jax.nn.relu(norm(self.layers[i](x), train=train))
            bottleneck = x if i == self.bottleneck else bottleneck
        return self.layers[-1](x), bottleneck


def _keras_dense(inputs: int, outputs: int, rngs: nnx.Rngs) -> nnx.Linear:
    glorot_uniform = nnx.initializers.glorot_uniform()
    return nnx.Linear(inputs, outputs, kernel_init=glorot_uniform, rngs=rngs)


def _pytorch_linear(inputs: int, outputs: int, rngs: nnx.Rngs) -> nnx.Linear:
    def bias(key, shape, dtype=jnp.float32, out_sharding=None):
        del out_sharding
        return jax.random.uniform(key, shape, dtype, -(inputs**-0.5), inputs**-0.5)

    return nnx.Linear(inputs, outputs, kernel_init=he_uniform, bias_init=bias, rngs=rngs)


class DenseAutoencoder(Detector):
    """The detector: mean squared error, Adam at a constant rate.

    Raises:
        ValueError: a window is shorter than one vector.
    """

    score_names = ("mse",)
    relevance_kind = VECTOR_RELEVANCE
    fitted_scores: ClassVar[Mapping[str, FittedScore]] = {
        "mahalanobis": FittedScore(
            "error_mahalanobis", ScorerConfig(report="error_moments", group="machine_type")
        ),
        "mahalanobis_nttcslab": FittedScore(
            "error_mahalanobis",
            ScorerConfig(
                report="error_moments",
                group="machine_type",
                nttcslab_mean_error=True,
                nttcslab_covariance=True,
            ),
        ),
    }

    def __init__(self, config: DenseAutoencoderConfig):
        frames = config.features.frames(config.clip.samples)
        if frames < config.stack_frames:
            raise ValueError(
                f"a window of {frames} frames holds no vector of {config.stack_frames}: "
                "enlarge detector.clip.samples"
            )
        self.config = config
        make_adam = keras_adam if config.framework == "keras" else optax.adam
        self.optimizer = make_adam(config.learning_rate)
        shapes = nnx.eval_shape(lambda: DenseAutoencoderNetwork(config, rngs=nnx.Rngs(0)))
        self._graph = nnx.graphdef(shapes)

    def init(self, key: jax.Array) -> TrainState:
        key, network_key = jax.random.split(key)
        network = DenseAutoencoderNetwork(self.config, rngs=nnx.Rngs(network_key))
        return TrainState.of_network(key, network, self.optimizer)

    def train_step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        config = self.config
        level = config.features(waveform_from_int16(batch["waveform"]))
        draw_key, order_key = jax.random.split(jax.random.fold_in(state.key, state.step))
        clips, frames, _ = level.shape
        starts = random_starts(
            draw_key,
            clips,
            config.excerpts_per_clip,
            frames,
            config.stack_frames,
            config.excerpt_hop,
        )
        places = jnp.stack([*jnp.indices(starts.shape)[:1], starts], axis=-1).reshape(-1, 2)

        # Places are shuffled, not vectors: these overlap and would take five times the memory.
        def learn(state: TrainState, chosen: jax.Array, _: jax.Array) -> tuple[TrainState, Metrics]:
            stacked = chosen[:, 1:] + jnp.arange(config.stack_frames)
            return self.learn(state, level[chosen[:, :1], stacked].reshape(len(chosen), -1))

        state, metrics = learn_in_minibatches(state, places, config.minibatch, order_key, learn)
        return state.replace(step=state.step + 1), metrics

    def learn(self, state: TrainState, vectors: jax.Array) -> tuple[TrainState, Metrics]:
        """One step of the optimiser on `[minibatch, inputs]`; `state.step` counts batches of clips and stays."""
        (loss, statistics), gradients = jax.value_and_grad(self.objective, has_aux=True)(
            state.params, state.statistics, vectors
        )
        metrics = {"loss": loss, "gradient_norm": optax.global_norm(gradients)}
        return state.after(gradients, self.optimizer, statistics), metrics

    def network(self, state: TrainState) -> DenseAutoencoderNetwork:
        """The network with a state's weights."""
        return nnx.merge(self._graph, state.params, state.statistics, copy=True)

    def objective(self, params, statistics, vectors):
        """Mean squared error of `[minibatch, inputs]`; also the new running statistics."""
        network = nnx.merge(self._graph, params, statistics, copy=True)
        reconstruction, _ = network(vectors, train=True)
        loss = jnp.mean(jnp.square(vectors - reconstruction))
        return loss, nnx.state(network, nnx.BatchStat)

    def report(self, state: TrainState, batch: Batch) -> dict[str, jax.Array]:
        """`mse`, `embedding` (the mean bottleneck) and `error_moments` (see `ErrorMahalanobis`)."""
        level = self.config.features(waveform_from_int16(batch["waveform"]))
        vectors = stack_frames(level, self.config.stack_frames, self.config.excerpt_hop)
        return self.report_vectors(state, vectors)

    def report_vectors(self, state: TrainState, vectors: jax.Array) -> dict[str, jax.Array]:
        """The report on vectors that are already there, `[batch, vectors, inputs]`."""
        reconstruction, bottleneck = self.network(state)(vectors, train=False)
        errors = vectors - reconstruction
        return {
            "mse": jnp.mean(jnp.square(errors), axis=(1, 2)),
            "embedding": jnp.mean(bottleneck, axis=1),
            "error_moments": self._error_moments(errors),
        }

    def explain(self, state: TrainState, batch: Batch) -> Explanation:
        length = self.config.stack_frames
        network = self.network(state)

        def reconstruct(excerpts: jax.Array) -> jax.Array:
            vectors = excerpts.reshape(len(excerpts), -1)
            return network(vectors, train=False)[0].reshape(excerpts.shape)

        log_mel = self.config.features(waveform_from_int16(batch["waveform"]))
        starts = excerpt_starts(log_mel.shape[1], length, self.config.excerpt_hop)
        return Explanation(log_mel, reconstruction_errors(reconstruct, log_mel, starts, length))

    def _error_moments(self, errors: jax.Array) -> jax.Array:
        """`[batch, vectors, inputs]` to `[batch, mels, mels + 3]`, over the frames that the vectors stack."""
        batch, vectors, _ = errors.shape
        mels = self.config.features.n_mels
        frames = errors.reshape(batch, -1, mels)
        # The inverse covariance would magnify the rounding of accelerators' default precision.
        products = jnp.einsum("bfi,bfj->bij", frames, frames, precision=jax.lax.Precision.HIGHEST)
        mean = jnp.mean(frames, axis=1)
        counts = jnp.array([vectors, self.config.stack_frames], errors.dtype)
        columns = [
            products / frames.shape[1],
            mean[..., None],
            jnp.broadcast_to(counts, (batch, mels, 2)),
        ]
        return jnp.concatenate(columns, axis=-1)
