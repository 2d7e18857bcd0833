"""One small interface to a prepared dataset, for our own launchers and for other programs.

A batch is a dictionary of NumPy arrays with these entries, `[batch, ...]` each:

| entry | dtype, shape | in |
| --- | --- | --- |
| `waveform` | int16 `[batch, samples]`, 16 kHz; `[batch, samples, channels]` of all | all |
| `clip` | int32 `[batch]`, position in `Batches.clips` | all |
| `class_id` | int32 `[batch]`, position in `Batches.classes.classes` | training |
| `mask` | bool `[batch]`, False where a row only fills the batch up | reference, evaluation |
"""

import dataclasses
from collections.abc import Sequence

import grain
import jax
from tfds_dcase import ClipInfo

from asd_jax.data.classes import ClassMap
from asd_jax.data.clips import Channel, ClipSource, Part, Stage, all_clips, select_clips
from asd_jax.data.pipeline import (
    evaluation_batches,
    evaluation_windows,
    training_batches,
)
from asd_jax.data.windows import WindowPolicy


@dataclasses.dataclass(frozen=True)
class Batches:
    """Batches, and what is known of their clips.

    Attributes:
        clips: what the batches' `clip` points at; labels, domains and attributes stand there.
        dataset: iterate over it; `get_state` and `set_state` of the iterator resume it exactly, and Orbax keeps it in a
            checkpoint through `grain.checkpoint.CheckpointSave`.
        classes: of a training.
    """

    clips: tuple[ClipInfo, ...]
    dataset: grain.IterDataset
    classes: ClassMap | None = None

    def on_devices(self, sharding: jax.sharding.Sharding | None = None) -> grain.IterDataset:
        """The same batches as JAX arrays, two of them ahead of the consumer.

        Args:
            sharding: how the global batch lies on the devices of all processes; the first local device by default.
        """
        placed = sharding or jax.sharding.SingleDeviceSharding(jax.local_devices()[0])

        def put(batch):
            return jax.tree.map(
                lambda rows: jax.make_array_from_process_local_data(placed, rows), batch
            )

        return grain.experimental.ThreadPrefetchIterDataset(
            self.dataset.map(put), prefetch_buffer_size=2
        )


@dataclasses.dataclass(frozen=True)
class DataService:
    """Batches of a prepared dataset; under several JAX processes each one gets its share.

    Attributes:
        dataset: `dcase2020` and so on, or `folder` for own recordings.
        data_dir: folder of prepared datasets, local or `gs://...`.
        windows: how clips become windows of one length.
        batch_size: windows a batch on this process.
        machine_types: these only; all by default.
        channel: of recordings with two: near, far, mean or all.
    """

    dataset: str
    data_dir: str = "datasets"
    windows: WindowPolicy = WindowPolicy()
    batch_size: int = 32
    machine_types: tuple[str, ...] = ()
    channel: Channel = "near"

    def training(
        self,
        stages: Sequence[Stage] = ("dev",),
        class_by: Sequence[str] = ("machine_type", "section"),
        seed: int = 0,
    ) -> Batches:
        """Endless shuffled batches of normal clips; every clip comes once an epoch.

        Raises:
            ValueError: see `select_clips`, `ClassMap.fit` and `training_batches`.
        """
        source = self._source(stages, "train")
        classes = ClassMap.fit(source.clips, class_by)
        class_ids = [classes.class_id(clip) for clip in source.clips]
        dataset = training_batches(source, class_ids, self.windows, self.batch_size, seed)
        return Batches(source.clips, dataset, classes)

    def reference(self, stages: Sequence[Stage] = ("dev",)) -> Batches:
        """Every window of the training clips once, in order: what embeddings of test clips are compared with."""
        return self._once(self._source(stages, "train"))

    def evaluation(self, stages: Sequence[Stage] = ("dev",)) -> Batches:
        """Every window of the test clips once, in order."""
        return self._once(self._source(stages, "test"))

    def _once(self, source: ClipSource) -> Batches:
        mine = range(jax.process_index(), len(source), jax.process_count())
        windows = evaluation_windows(source, mine, self.windows)
        dataset = evaluation_batches(source, windows, self.windows, self.batch_size)
        return Batches(source.clips, dataset)

    def _source(self, stages: Sequence[Stage], part: Part) -> ClipSource:
        clips = all_clips(self.dataset, self.data_dir)
        chosen = select_clips(clips, stages, part, self.machine_types)
        return ClipSource(self.dataset, self.data_dir, chosen, self.channel)
