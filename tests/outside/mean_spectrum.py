"""A detector of a user's own, in a file of its own: the distance to the mean spectrum of the machine's class."""

import dataclasses

import jax
import jax.numpy as jnp
import optax

from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.base import Batch, Detector, DetectorConfig, Metrics, TrainState
from asd_jax.features.logmel import LogMel, scale_to_range, waveform_from_int16


@dataclasses.dataclass(frozen=True)
class MeanSpectrumConfig(DetectorConfig):
    """Settings; `features` gives the bands of the spectrum."""

    clip: WindowPolicy = WindowPolicy(samples=8000, evaluation="all")
    features: LogMel = LogMel(n_fft=512, hop=256, n_mels=16)
    learning_rate: float = 0.05

    def windows(self) -> WindowPolicy:
        return self.clip

    def build(self, classes: int, steps_per_epoch: int, epochs: int) -> "MeanSpectrum":
        return MeanSpectrum(self, classes)


class MeanSpectrum(Detector):
    """Learns one spectrum a class by gradient descent, on levels scaled to the training clips' range."""

    score_names = ("distance",)
    observes_training_data = True

    def __init__(self, config: MeanSpectrumConfig, classes: int):
        self.config = config
        self.classes = classes
        self.optimizer = optax.adam(config.learning_rate)

    def init(self, key: jax.Array) -> TrainState:
        params = jnp.zeros((self.classes, self.config.features.n_mels), jnp.float32)
        statistics = {
            "minimum": jnp.array(jnp.inf, jnp.float32),
            "maximum": jnp.array(-jnp.inf, jnp.float32),
        }
        step = jnp.zeros((), jnp.int32)
        return TrainState(step, key, params, statistics, self.optimizer.init(params))

    def observe(self, state: TrainState, batch: Batch) -> TrainState:
        level = self.config.features(waveform_from_int16(batch["waveform"]))
        seen = state.statistics
        statistics = {
            "minimum": jnp.minimum(seen["minimum"], level.min()),
            "maximum": jnp.maximum(seen["maximum"], level.max()),
        }
        return state.replace(statistics=statistics)

    def train_step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        spectrum = self._spectrum(state, batch)

        def objective(params: jax.Array) -> jax.Array:
            return jnp.mean(jnp.square(spectrum - params[batch["class_id"]]))

        loss, gradient = jax.value_and_grad(objective)(state.params)
        updates, optimizer = self.optimizer.update(gradient, state.optimizer)
        params = optax.apply_updates(state.params, updates)
        return state.replace(step=state.step + 1, params=params, optimizer=optimizer), {
            "loss": loss
        }

    def report(self, state: TrainState, batch: Batch) -> dict[str, jax.Array]:
        spectrum = self._spectrum(state, batch)
        error = jnp.mean(jnp.square(spectrum[:, None] - state.params[None]), axis=-1)
        nearest = jnp.min(jnp.where(batch["candidates"], error, jnp.inf), axis=-1)
        return {"distance": nearest, "embedding": spectrum}

    def _spectrum(self, state: TrainState, batch: Batch) -> jax.Array:
        level = self.config.features(waveform_from_int16(batch["waveform"])).mean(axis=1)
        return scale_to_range(level, state.statistics["minimum"], state.statistics["maximum"])
