"""Anomaly Transformer (Xu et al., ICLR 2022, arXiv 2110.02642) for machine sound.

The paper scores the steps of multivariate time series. Here the steps are log-mel frames and the channels mel bands,
standardised over the training clips. The network reconstructs excerpts of a clip; frames that it reconstructs badly,
and that relate to their neighbours alone, get a high energy, and a clip's score pools its frames' energies.

The default score, `energy_mean`, is the paper's criterion: an excerpt's weights sum to 1, so it is the mean over
excerpts of their weighted error. At the published code's temperature of 50 one or two frames carry an excerpt's whole
weight, which suits short faults in a series; for machines that sound wrong throughout, temperature 1 (equation 8 as
printed) or `reconstruction_mean` rank clips better.
"""

import dataclasses
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.association import Evidence, covering_starts, evidence, joined
from asd_jax.detectors.base import Batch, Detector, DetectorConfig, Explanation, Metrics, TrainState
from asd_jax.detectors.minibatches import learn_in_minibatches
from asd_jax.detectors.minimax import MinimaxConfig, MinimaxLearner
from asd_jax.detectors.relevance import rejoined
from asd_jax.features.excerpts import cut_excerpts, excerpt_starts, random_starts
from asd_jax.features.logmel import LogMel, waveform_from_int16
from asd_jax.ranges import Count, CountOrNone, PartOfAll

_LEAST_DEVIATION_DB = 1e-3
_CLIPS_AT_ONCE = 8


@dataclasses.dataclass(frozen=True)
class AnomalyTransformerConfig(MinimaxConfig, DetectorConfig):
    """Settings of the Anomaly Transformer on machine sound; network and objective as published.

    Attributes:
        clip: how clips become windows of samples; each is cut into excerpts.
        features: log-mel front end.
        excerpt_frames: frames that attend to each other (published: win_size).
        excerpt_hop: frames between the places from which training draws its excerpts.
        excerpts_per_clip: excerpts that a training step draws of a clip; 0 means all.
        minibatch: excerpts an optimiser step; 0 means all of a training step's.
        report_hop: frames between excerpts when a clip is scored; 0 means one excerpt length.
        top_fraction: share of a clip's frames, the highest, that `energy_top` averages.
    """

    clip: WindowPolicy = WindowPolicy()
    features: LogMel = LogMel.dcase2020()
    excerpt_frames: Count = 100
    excerpt_hop: Count = 1
    excerpts_per_clip: CountOrNone = 3
    minibatch: CountOrNone = 32
    report_hop: CountOrNone = 0
    top_fraction: PartOfAll = 0.05

    def windows(self) -> WindowPolicy:
        return self.clip

    def build(self, classes: int, steps_per_epoch: int, epochs: int) -> "AnomalyTransformer":
        return AnomalyTransformer(self, steps_per_epoch)


class AnomalyTransformer(Detector):
    """The detector: it learns normal excerpts without classes."""

    score_names = (
        "energy_mean",
        "energy_max",
        "energy_top",
        "reconstruction_mean",
        "reconstruction_max",
        "association_mean",
    )
    relevance_kind = (
        "squared reconstruction error of every bin times its frame's weight by association discrepancy, in squares of "
        "the mel band's standard deviation over the training clips; its mean is the score energy_mean"
    )
    observes_training_data = True

    def __init__(self, config: AnomalyTransformerConfig, steps_per_epoch: int):
        self.config = config
        frames = config.features.frames(config.clip.samples)
        # Before anything is heard: too short a clip or too wide a hop shall not cost a training.
        excerpt_starts(frames, config.excerpt_frames, config.excerpt_hop)
        self._report_starts = covering_starts(
            frames, config.excerpt_frames, config.report_hop or config.excerpt_frames
        )
        self._top_frames = math.ceil(config.top_fraction * frames)
        if not 1 <= self._top_frames <= frames:
            raise ValueError(f"detector.top_fraction={config.top_fraction}: choose above 0, to 1")
        self.learner = MinimaxLearner(config, config.features.n_mels, steps_per_epoch)

    def init(self, key: jax.Array) -> TrainState:
        mels = self.config.features.n_mels
        nothing_heard = {
            "frames": jnp.zeros((), jnp.float32),
            "mean": jnp.zeros(mels, jnp.float32),
            "squares": jnp.zeros(mels, jnp.float32),
        }
        return self.learner.init(key).replace(statistics=nothing_heard)

    def observe(self, state: TrainState, batch: Batch) -> TrainState:
        """Merges the mean and the squared deviations of every mel band (Chan et al. 1979)."""
        level = self.config.features(waveform_from_int16(batch["waveform"]))
        known = state.statistics
        here = jnp.asarray(level.shape[0] * level.shape[1], jnp.float32)
        mean = jnp.mean(level, axis=(0, 1))
        squares = jnp.sum(jnp.square(level - mean), axis=(0, 1))
        frames = known["frames"] + here
        shift = mean - known["mean"]
        merged = {
            "frames": frames,
            "mean": known["mean"] + shift * (here / frames),
            "squares": known["squares"]
            + squares
            + jnp.square(shift) * (known["frames"] * here / frames),
        }
        return state.replace(statistics=merged)

    def train_step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        config = self.config
        level = self._standardised(state, batch["waveform"])
        key = jax.random.fold_in(state.key, state.step)
        starts_key, order_key = jax.random.split(key)
        starts = random_starts(
            starts_key,
            len(level),
            config.excerpts_per_clip,
            level.shape[1],
            config.excerpt_frames,
            config.excerpt_hop,
        )
        excerpts = cut_excerpts(level, starts, config.excerpt_frames)
        excerpts = excerpts.reshape(-1, *excerpts.shape[2:])
        state, metrics = learn_in_minibatches(
            state, excerpts, config.minibatch, order_key, self.learner.learn
        )
        return state.replace(step=state.step + 1), metrics

    def learn(self, state: TrainState, excerpts: jax.Array) -> tuple[TrainState, Metrics]:
        """One optimiser step on standardised excerpts `[batch, frames, mels]`; counts as a training step."""
        state, metrics = self.learner.learn(state, excerpts)
        return state.replace(step=state.step + 1), metrics

    def report(self, state: TrainState, batch: Batch) -> dict[str, jax.Array]:
        level = self._standardised(state, batch["waveform"])
        # The attentions of a large batch's excerpts take gigabytes: a few clips at a time are as fast.
        return jax.lax.map(
            lambda clip: self._report_clip(state, clip), level, batch_size=_CLIPS_AT_ONCE
        )

    def _report_clip(self, state: TrainState, level: jax.Array) -> dict[str, jax.Array]:
        """`[frames, mels]` to the clip's scores and embedding."""
        starts = self._report_starts
        excerpts = cut_excerpts(level[None], jnp.asarray(starts)[None], self.config.excerpt_frames)
        found, encoded = self.learner.evidence(state.params, excerpts[0])
        frames = len(level)

        def by_frame(values: jax.Array) -> jax.Array:
            return joined(values[None], starts, frames)[0]

        return {**self._pooled(found, by_frame), "embedding": jnp.mean(encoded, axis=(0, 1))}

    def _pooled(
        self, found: Evidence, by_frame: Callable[[jax.Array], jax.Array]
    ) -> dict[str, jax.Array]:
        """Scores of a clip from the evidence in its excerpts."""
        energy, error = by_frame(found.energy), by_frame(found.error)
        return {
            "energy_mean": jnp.mean(energy),
            "energy_max": jnp.max(energy),
            "energy_top": jnp.mean(jax.lax.top_k(energy, self._top_frames)[0]),
            "reconstruction_mean": jnp.mean(error),
            "reconstruction_max": jnp.max(error),
            "association_mean": -jnp.mean(by_frame(found.discrepancy)),
        }

    def explain(self, state: TrainState, batch: Batch) -> Explanation:
        length, starts = self.config.excerpt_frames, self._report_starts

        def one(level: jax.Array) -> jax.Array:
            excerpts = cut_excerpts(level[None], jnp.asarray(starts)[None], length)[0]
            taps = self.learner.apply(state.params, excerpts)
            found = evidence(excerpts, taps, self.config.temperature)
            energy = jnp.exp(found.log_weight)[..., None] * jnp.square(excerpts - taps.output)
            return rejoined(energy, starts, len(level))

        log_mel = self.config.features(waveform_from_int16(batch["waveform"]))
        standardised = self._standardised(state, batch["waveform"])
        return Explanation(log_mel, jax.lax.map(one, standardised))

    def _standardised(self, state: TrainState, waveform: jax.Array) -> jax.Array:
        """Log-mels with mean 0 and deviation 1 over the training clips, `[batch, frames, mels]`."""
        level = self.config.features(waveform_from_int16(waveform))
        known = state.statistics
        variance = known["squares"] / jnp.maximum(known["frames"], 1)
        deviation = jnp.sqrt(variance)
        # A band that never changes, as in digital silence, must not turn rounding into a signal.
        scale = jnp.where(deviation > _LEAST_DEVIATION_DB, deviation, 1.0)
        return (level - known["mean"]) / scale
