"""Checkpoints of a training, written as a whole or not at all.

Each holds the model, the optimiser, the random key, the data iterator and the experiment's configuration.
"""

import json
from pathlib import Path
from types import TracebackType
from typing import Any

import grain
import jax
import orbax.checkpoint as ocp
from jax.sharding import Mesh
from tfds_dcase_command.invocation import command

from asd_jax.detectors.base import TrainState
from asd_jax.training.checkpoint_faults import (
    CONFIGURATION,
    ITERATOR,
    STATE,
    CheckpointContent,
    require_same_network,
    seal,
)
from asd_jax.training.mesh import replicated


class Checkpoints:
    """The checkpoints in one folder; use as a context manager, which waits for the writer at the end.

    Args:
        directory: folder of the checkpoints alone.
        keep: how many of the newest stay.
        configuration: the experiment as JSON, saved with every checkpoint; None to read only.
        asked: the experiment as JSON of one who only reads, for messages.
    """

    def __init__(
        self,
        directory: Path,
        keep: int = 2,
        configuration: str | None = None,
        asked: str | None = None,
    ):
        # Whoever only reads must neither create the folder nor clear what a running training is writing there.
        writes = configuration is not None
        options = ocp.CheckpointManagerOptions(
            max_to_keep=keep, create=writes, cleanup_tmp_directories=writes
        )
        self._manager = ocp.CheckpointManager(directory.absolute(), options=options)
        self._configuration = json.loads(configuration or asked or "{}")
        self.directory = directory
        self._keep = keep
        self._unsealed: int | None = None

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._manager.wait_until_finished()
        self._seal()
        self._manager.close()

    def latest_step(self) -> int | None:
        """Step of the newest whole checkpoint; None if there is none."""
        return self._manager.latest_step()

    def steps(self) -> list[int]:
        """Steps of all whole checkpoints, in ascending order."""
        return sorted(self._manager.all_steps())

    def save(self, state: TrainState, iterator: grain.DatasetIterator) -> None:
        """Saves at the state's step, in the background."""
        items = ocp.args.Composite(
            **{
                STATE: ocp.args.StandardSave(_storable(state)),
                ITERATOR: grain.checkpoint.CheckpointSave(iterator),
                CONFIGURATION: ocp.args.JsonSave(self._configuration),
            }
        )
        # This waits for the checkpoint before, which is whole then.
        self._manager.save(int(state.step), args=items, force=True)
        # With one kept checkpoint it is being removed now.
        if self._keep > 1:
            self._seal()
        self._unsealed = int(state.step)

    def _seal(self) -> None:
        if self._unsealed is None or jax.process_index() > 0:
            return
        seal(self.directory / str(self._unsealed))
        self._unsealed = None

    def finish(self) -> None:
        """Waits until the last checkpoint is whole."""
        self._manager.wait_until_finished()
        self._seal()

    def preempted(self, step: int) -> bool:
        """Whether the machine announced that it will stop; save and leave then."""
        return self._manager.reached_preemption(step)

    def restore(
        self,
        like: TrainState,
        mesh: Mesh,
        iterator: grain.DatasetIterator | None = None,
        step: int | None = None,
    ) -> TrainState:
        """The newest state, or that of a step, on the devices of a mesh; sets the iterator to where it was.

        Args:
            like: a state, or its `jax.eval_shape`, of the same detector.
            mesh: where the state shall live; may differ from the one that saved it.
            iterator: a training iterator of the same data, for going on with the training.
            step: of a checkpoint among `steps`; the newest where None.

        Raises:
            FileNotFoundError: there is no checkpoint.
            ValueError: the checkpoint is damaged, of another network, or of another number of processes.
        """
        step = self.latest_step() if step is None else step
        if step is None:
            raise FileNotFoundError(
                f"no checkpoint in {self.directory}: train first with {command('train')}"
            )
        everywhere = replicated(mesh)
        target = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=everywhere),
            _storable(like),
        )
        self._require_whole(step, target, iterator is not None)
        items: dict[str, Any] = {STATE: ocp.args.StandardRestore(target)}
        if iterator is not None:
            items[ITERATOR] = grain.checkpoint.CheckpointRestore(iterator)
        restored = self._read(step, ocp.args.Composite(**items))
        return like.replace(**restored | {"key": jax.random.wrap_key_data(restored["key"])})

    def _require_whole(self, step: int, target: dict[str, Any], with_iterator: bool) -> None:
        folder = self.directory / str(step)
        content = CheckpointContent(folder)
        if not content.damage:
            require_same_network(folder, content, target, self._configuration)
        damage = content.damage or (content.iterator_damage() if with_iterator else "")
        if damage:
            raise ValueError(
                f"the checkpoint {folder} is damaged ({damage}): {self._cure(step, with_iterator)}"
            )

    def _cure(self, damaged: int, with_iterator: bool) -> str:
        for step in sorted(self.steps(), reverse=True):
            content = CheckpointContent(self.directory / str(step)) if step < damaged else None
            if content is None or content.damage:
                continue
            if not (with_iterator and content.iterator_damage()):
                return (
                    f"delete this folder, and training goes on from the checkpoint of step {step}, "
                    "which is whole"
                )
        return (
            "no earlier one is whole; put it back from a copy, or train (or import the weights) again under another "
            "--version"
        )

    def _read(self, step: int, items: ocp.args.Composite) -> dict[str, Any]:
        try:
            return self._manager.restore(step, args=items)[STATE]
        # Orbax and TensorStore raise anything from JSONDecodeError to a bare Exception here.
        except Exception as error:
            reason = next(iter(str(error).splitlines()), "")[:300]
            raise ValueError(
                f"the checkpoint {self.directory / str(step)} can be read, but not restored "
                f"({type(error).__name__}: {reason}): give the settings that it was trained with, or take another of "
                f"the steps {', '.join(map(str, self.steps()))}"
            ) from error


def _storable(state: TrainState) -> dict[str, Any]:
    """A state as nested dictionaries, with the random key as its raw words."""
    raw_key = jax.eval_shape(jax.random.key_data, state.key)
    if not isinstance(state.key, jax.ShapeDtypeStruct):
        raw_key = jax.random.key_data(state.key)
    return {
        "step": state.step,
        "key": raw_key,
        "params": state.params,
        "statistics": state.statistics,
        "optimizer": state.optimizer,
    }
