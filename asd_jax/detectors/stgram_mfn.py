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
from asd_jax.detectors.base import Batch, Detector, DetectorConfig, Metrics, TrainState
from asd_jax.detectors.schedules import hold_then_cosine
from asd_jax.features.logmel import LogMel, waveform_from_int16
from asd_jax.nn.arcface import ArcFace
from asd_jax.nn.framing import frame
from asd_jax.nn.layers import Conv1D, he_uniform
from asd_jax.nn.mobilefacenet import (
    STGRAM_STAGES,
    BottleneckStage,
    MobileFaceNet,
    MobileFaceNetTaps,
    image_of,
)


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
        embedding: length of the embedding.
        width: channels of MobileFaceNet's stem.
        stages: MobileFaceNet's bottleneck stages (expansion, channels, repetitions, stride).
        head_channels: channels in front of MobileFaceNet's pooling.
        learning_rate: Adam's rate until the cosine starts.
        hold_epochs: epochs at the full rate.
    """

    clip: WindowPolicy = WindowPolicy()
    features: LogMel = LogMel.stgram()
    arcface: bool = True
    margin: float = 0.7
    scale: float = 30.0
    sub_centers: int = 1
    easy_margin: bool = False
    embedding: int = 128
    width: int = 64
    stages: tuple[BottleneckStage, ...] = STGRAM_STAGES
    head_channels: int = 512
    learning_rate: float = 1e-4
    hold_epochs: int = 20

    def windows(self) -> WindowPolicy:
        return self.clip

    def build(self, classes: int, steps_per_epoch: int, epochs: int) -> "STgramMFN":
        return STgramMFN(self, classes, steps_per_epoch, epochs)


class TgramNet(nnx.Module):
    """Waveform to a learned spectrogram: a strided convolution, then blocks that normalise over time.

    `[batch, samples]` to `[batch, frames, bands]`; frames and bands equal those of the log-mel spectrogram.
    """

    def __init__(
        self, frames: int, bands: int, window: int, hop: int, *, blocks: int = 3, rngs: nnx.Rngs
    ):
        self.filters = nnx.Param(he_uniform(rngs.params(), (window, bands)))
        self.norms = nnx.List([TimeNorm(frames) for _ in range(blocks)])
        self.convolutions = nnx.List(
            [Conv1D(bands, bands, 3, padding=1, rngs=rngs) for _ in range(blocks)]
        )
        self.window = window
        self.hop = hop

    def extract(self, waveform: jax.Array) -> jax.Array:
        """The strided convolution alone: a filterbank that is learned, `[batch, frames, bands]`."""
        half = self.window // 2
        padded = jnp.pad(waveform, ((0, 0), (half, half)))
        return frame(padded, self.window, self.hop) @ self.filters[...]

    def __call__(self, waveform: jax.Array) -> jax.Array:
        x = self.extract(waveform)
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            x = convolution(jax.nn.leaky_relu(norm(x), 0.2))
        return x


class TimeNorm(nnx.Module):
    """Layer normalisation over time with one scale and shift a frame: `[batch, frames, bands]`."""

    def __init__(self, frames: int, *, epsilon: float = 1e-5):
        self.scale = nnx.Param(jnp.ones(frames))
        self.bias = nnx.Param(jnp.zeros(frames))
        self.epsilon = epsilon

    def __call__(self, x: jax.Array) -> jax.Array:
        mean = jnp.mean(x, axis=1, keepdims=True)
        variance = jnp.mean(jnp.square(x - mean), axis=1, keepdims=True)
        normalised = (x - mean) * jax.lax.rsqrt(variance + self.epsilon)
        return normalised * self.scale[...][:, None] + self.bias[...][:, None]


class STgramTaps(NamedTuple):
    """What the network computes on its way."""

    tgram: jax.Array
    image_network: MobileFaceNetTaps
    feature: jax.Array


class STgramNetwork(nnx.Module):
    """TgramNet and MobileFaceNet with both class heads (the linear one is unused under ArcFace)."""

    def __init__(self, config: STgramMFNConfig, classes: int, *, rngs: nnx.Rngs):
        mel = config.features
        frames = mel.frames(config.clip.samples)
        self.tgram = TgramNet(frames, mel.n_mels, mel.n_fft, mel.hop, rngs=rngs)
        self.image_network = MobileFaceNet(
            (mel.n_mels, frames),
            2,
            features=config.embedding,
            width=config.width,
            stages=config.stages,
            head_channels=config.head_channels,
            rngs=rngs,
        )
        self.arcface = ArcFace(
            config.embedding,
            classes,
            sub_centers=config.sub_centers,
            margin=config.margin,
            scale=config.scale,
            easy_margin=config.easy_margin,
            rngs=rngs,
        )
        self.linear = nnx.Linear(config.embedding, classes, rngs=rngs)

    def __call__(self, waveform: jax.Array, log_mel: jax.Array, *, train: bool) -> STgramTaps:
        """`[batch, samples]` and `[batch, frames, mels]` to the embedding `[batch, embedding]`."""
        tgram = self.tgram(waveform)
        taps = self.image_network(image_of((log_mel, tgram)), train=train)
        return STgramTaps(tgram, taps, taps.feature)


class STgramMFN(Detector):
    """The detector: cross-entropy on ArcFace's logits, Adam, hold-then-cosine schedule."""

    score_names = ("nll_margin", "nll")

    def __init__(self, config: STgramMFNConfig, classes: int, steps_per_epoch: int, epochs: int):
        self.config = config
        self.classes = classes
        self.schedule = hold_then_cosine(
            config.learning_rate, epochs, steps_per_epoch, config.hold_epochs
        )
        self.optimizer = optax.adam(self.schedule)
        shapes = nnx.eval_shape(lambda: STgramNetwork(config, classes, rngs=nnx.Rngs(0)))
        self._graph = nnx.graphdef(shapes)

    def init(self, key: jax.Array) -> TrainState:
        key, network_key = jax.random.split(key)
        network = STgramNetwork(self.config, self.classes, rngs=nnx.Rngs(network_key))
        params, statistics = nnx.state(network, nnx.Param, ...)
        return TrainState(
            jnp.zeros((), jnp.int32), key, params, statistics, self.optimizer.init(params)
        )

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
        updates, optimizer = self.optimizer.update(gradients, state.optimizer, state.params)
        metrics = {
            "loss": loss,
            "accuracy": accuracy,
            "gradient_norm": optax.global_norm(gradients),
            "learning_rate": self.schedule(state.step),
        }
        new_state = state.replace(
            step=state.step + 1,
            params=optax.apply_updates(state.params, updates),
            statistics=statistics,
            optimizer=optimizer,
        )
        return new_state, metrics

    def objective(self, params, statistics, waveform, log_mel, class_id):
        """Cross-entropy of a batch; also the new running statistics and the accuracy without margin."""
        network = self._network(params, statistics)
        feature = network(waveform, log_mel, train=True).feature
        logits = self._logits(network, feature, class_id)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, class_id).mean()
        guess = jnp.argmax(self._plain_logits(network, feature), axis=-1)
        return loss, (nnx.state(network, nnx.BatchStat), jnp.mean(guess == class_id))

    def report(self, state: TrainState, batch: Batch) -> dict[str, jax.Array]:
        waveform = waveform_from_int16(batch["waveform"])
        network = self._network(state.params, state.statistics)
        feature = network(waveform, self.config.features(waveform), train=False).feature
        scores = self.scores(network, feature, batch["candidates"])
        return {**scores, "embedding": feature}

    def scores(
        self, network: STgramNetwork, feature: jax.Array, candidates: jax.Array
    ) -> dict[str, jax.Array]:
        """Negative log-likelihoods of the likeliest candidate class, with and without the margin, `[batch]` each.

        Args:
            network: the network in evaluation.
            feature: `[batch, embedding]`.
            candidates: `[batch, classes]` bool; one true class as a rule, several where a test clip hides its domain.
        """
        plain = self._plain_logits(network, feature)
        others = _logsumexp_of_others(plain)
        as_true = plain
        if self.config.arcface:
            cosines = network.arcface.cosines(feature)
            as_true = self.config.scale * network.arcface.with_margin(cosines)
        # A confident network's scores lie far below float32's resolution near the logits: the softplus of the
        # difference ranks them where log-softmax would round them all to zero.
        scores = {
            "nll_margin": jax.nn.softplus(others - as_true),
            "nll": jax.nn.softplus(others - plain),
        }
        return {
            name: jnp.min(jnp.where(candidates, values, jnp.inf), axis=-1)
            for name, values in scores.items()
        }

    def _network(self, params, statistics) -> STgramNetwork:
        return nnx.merge(self._graph, params, statistics, copy=True)

    def _logits(self, network: STgramNetwork, feature: jax.Array, class_id: jax.Array) -> jax.Array:
        if self.config.arcface:
            return network.arcface.logits(feature, class_id)
        return network.linear(feature)

    def _plain_logits(self, network: STgramNetwork, feature: jax.Array) -> jax.Array:
        if self.config.arcface:
            return self.config.scale * network.arcface.cosines(feature)
        return network.linear(feature)


def _logsumexp_of_others(logits: jax.Array) -> jax.Array:
    """For each class the logsumexp over all other classes: `[batch, classes]` to `[batch, classes]`."""
    classes = logits.shape[-1]
    is_self = jnp.eye(classes, dtype=bool)
    return jax.nn.logsumexp(jnp.where(is_self, -jnp.inf, logits[:, None, :]), axis=-1)
