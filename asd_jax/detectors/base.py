"""The one idea a detector is made of: what it hears, how it learns, and what it reports of a clip.

The training loop, the checkpoints, the scorers and the metrics know nothing else about a detector.
"""

import abc
import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import optax
from flax import nnx

from asd_jax.data.windows import WindowPolicy
from asd_jax.scoring.settings import FittedScore

Batch = dict[str, jax.Array]
"""What the pipeline delivers: `waveform` int16 `[batch, samples]`, `class_id` int32 `[batch]` while training,
`candidates` bool `[batch, classes]` while scoring (the classes that the clip may truly have), and for explanations
`normal_waveform` int16 `[batch, normals, samples]` beside them (training normals of the clip's section). Plain time
series come as `window` float32 `[batch, time, channels]` (`asd_jax/series/`)."""

Metrics = dict[str, jax.Array]
"""Scalars of one step; `loss` is always among them."""


class Explanation(NamedTuple):
    """Where in time and frequency a detector sees an anomaly.

    Attributes:
        log_mel: what it hears, `[batch, frames, mels]` in dB, by the configuration's `features`.
        relevance: what each bin has to do with the anomaly score, of the same shape, or `[batch, frames, 1]` where a
            detector tells the times apart only.
    """

    log_mel: jax.Array
    relevance: jax.Array


class TrainState(flax.struct.PyTreeNode):
    """All that a step changes, and so all that a checkpoint must hold of a model.

    Attributes:
        step: steps taken, int32 scalar.
        key: random key of the run; a step uses `fold_in(key, step)`.
        params: what the optimiser learns; a dict of trees where there are several networks.
        statistics: what the network records without gradients (running means and variances).
        optimizer: Optax state, shaped like `params`.
    """

    step: jax.Array
    key: jax.Array
    params: Any
    statistics: Any
    optimizer: Any

    @classmethod
    def of_network(
        cls, key: jax.Array, network: nnx.Module, optimizer: optax.GradientTransformation
    ) -> "TrainState":
        """The state before the first step of a single network."""
        params, statistics = nnx.state(network, nnx.Param, ...)
        return cls(jnp.zeros((), jnp.int32), key, params, statistics, optimizer.init(params))

    def after(
        self, gradients: Any, optimizer: optax.GradientTransformation, statistics: Any
    ) -> "TrainState":
        """The state behind one step of the optimiser, with new statistics; `step` is left to the caller."""
        updates, optimizer_state = optimizer.update(gradients, self.optimizer, self.params)
        return self.replace(
            params=optax.apply_updates(self.params, updates),
            statistics=statistics,
            optimizer=optimizer_state,
        )


@dataclasses.dataclass(frozen=True)
class DetectorConfig(abc.ABC):
    """Settings of one kind of detector, of hashable values; the experiment's `detector` field holds a subclass.

    Attributes:
        has_schedule: whether learning depends on the training's length; without, `build` takes no notice of it.
    """

    has_schedule: ClassVar[bool] = True

    @abc.abstractmethod
    def windows(self) -> WindowPolicy:
        """How clips of any length become the fixed-length windows that the network hears."""

    @abc.abstractmethod
    def build(self, classes: int, steps_per_epoch: int, epochs: int) -> "Detector":
        """The detector for a class map of that size and a training of that length.

        Only the schedule of learning may depend on the length: reports of a trained model are asked for without it.
        """


def detector_of(
    config: DetectorConfig, classes: int, steps_per_epoch: int, epochs: int
) -> "Detector":
    """`config.build`, but the same object for equal settings: what is compiled for one model serves the next."""
    length = (steps_per_epoch, epochs) if config.has_schedule else (1, 1)
    return _detector(config, classes, *length)


@functools.lru_cache(maxsize=8)
def _detector(
    config: DetectorConfig, classes: int, steps_per_epoch: int, epochs: int
) -> "Detector":
    return config.build(classes, steps_per_epoch, epochs)


class Detector(abc.ABC):
    """A network, its objective and its reports; every method is pure and may be jitted.

    Attributes:
        score_names: the anomaly scores among the reports; the first is the default.
        fitted_scores: further scores, by name: scorers that are fitted on the reports of training normals. Beside
            them every scorer of the family works on the report `embedding`.
        observes_training_data: whether every training clip passes through `observe` before the first step.
        relevance_kind: what the relevance of `explain` is, with its unit; empty where there is no such method.
    """

    score_names: ClassVar[tuple[str, ...]]
    fitted_scores: ClassVar[Mapping[str, FittedScore]] = {}
    observes_training_data: ClassVar[bool] = False
    relevance_kind: ClassVar[str] = ""

    @abc.abstractmethod
    def init(self, key: jax.Array) -> TrainState:
        """The state before the first step."""

    def observe(self, state: TrainState, batch: Batch) -> TrainState:
        """Takes in what the detector must know of all training clips, such as the range of their features.

        A few clips come twice where the last batch must be filled up.
        """
        raise NotImplementedError(f"{type(self).__name__} observes nothing")

    @abc.abstractmethod
    def train_step(self, state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        """One step of the optimiser (or of all of them, in turn)."""

    @abc.abstractmethod
    def report(self, state: TrainState, batch: Batch) -> dict[str, jax.Array]:
        """Per window: every score in `score_names` as `[batch]`, what scorers are fitted on as `[batch, ...]`.

        `embedding` is `[batch, features]`; a classifier also reports `class_log_probabilities` `[batch, classes]`.
        """

    def explain(self, state: TrainState, batch: Batch) -> Explanation:
        """Where the default score, the first of `score_names`, comes from in every window."""
        raise NotImplementedError(f"{type(self).__name__} explains nothing")

    def class_centers(self, state: TrainState) -> jax.Array | None:
        """Where the class head sees each class among the embeddings: directions `[classes, centres, features]`.

        None where it has no centres of that kind.
        """
        return None
