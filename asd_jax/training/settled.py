"""What a model's folder has settled for good: its training clips, their order, and the numbers of its classes."""

from collections.abc import Sequence
from pathlib import Path

from absl import logging
from tfds_dcase import ClipInfo

from asd_jax.data.classes import ClassMap
from asd_jax.training.clip_record import (
    RECORD_FILE,
    RecordedClip,
    clip_changes,
    in_recorded_order,
    read_record,
)
from asd_jax.training.differences import listed
from asd_jax.training.logs import logged_steps_per_epoch
from asd_jax.training.work_directory import CLASS_MAP_FILE, last_checkpoint


def settled_clips(
    directory: Path, clips: Sequence[ClipInfo], steps_per_epoch: int, where: str
) -> list[ClipInfo]:
    """The clips to learn from, in the order of an earlier start, which an iterator's state counts on.

    Args:
        directory: the model's folder, which need not be there.
        clips: what the prepared data have for the model.
        steps_per_epoch: that these clips make.
        where: the prepared data, for messages.

    Raises:
        ValueError: the model learnt from other clips.
    """
    if last_checkpoint(directory) is None:
        return list(clips)
    recorded = read_record(directory)
    if recorded is None:
        _require_logged_length(directory, steps_per_epoch, where)
        logging.warning(
            "%s was trained before work directories kept lists of their clips: taken as trained on the %d clips of %s",
            directory,
            len(clips),
            where,
        )
        return list(clips)
    changes = clip_changes(recorded, clips)
    if changes:
        raise ValueError(
            f"{directory} learnt from other clips than {where} holds now: {changes}. {_CURE} ({directory})"
        )
    return in_recorded_order(recorded, clips)


_CURE = (
    "Train on the present clips under another --version; to go on with this training, name the --data_dir of its own "
    "clips; to start it again under its name, move its folder away first"
)


def _require_logged_length(directory: Path, steps_per_epoch: int, where: str) -> None:
    logged = logged_steps_per_epoch(directory)
    if logged is not None and logged != steps_per_epoch:
        raise ValueError(
            f"{directory} learnt from other clips than {where} holds now: its log has {logged} steps an epoch, these "
            f"clips make {steps_per_epoch}. {_CURE} ({directory})"
        )


def settled_class_map(
    directory: Path, clips: Sequence[ClipInfo], class_by: Sequence[str]
) -> ClassMap:
    """The class map of a model; one that is there stays, since imported weights may number the classes otherwise.

    Raises:
        ValueError: it lacks classes of the clips, is missing, or numbers classes otherwise than when the model learnt.
    """
    path = directory / CLASS_MAP_FILE
    fitted = ClassMap.fit(clips, class_by)
    begun = last_checkpoint(directory) is not None
    if not path.is_file():
        if not begun:
            return fitted
        raise ValueError(
            f"{path} is missing, though the model has checkpoints: put it back, since only it tells which class is "
            "which, or train under another --version"
        )
    class_map = ClassMap.load(path)
    of_failed_start = not begun and (directory / RECORD_FILE).is_file()
    if of_failed_start and {*class_map.classes} != {*fitted.classes}:
        return fitted
    unknown = class_map.unknown(clips)
    if unknown:
        raise ValueError(
            f"{path} has {len(class_map)} classes, but not {listed(unknown)} of the training clips: train on these "
            "under another --version, or choose the earlier machines with --machine_types"
        )
    require_same_numbers(path, class_map, read_record(directory) or [], clips)
    return class_map


def require_same_numbers(
    path: Path,
    class_map: ClassMap,
    recorded: Sequence[RecordedClip],
    clips: Sequence[ClipInfo],
) -> None:
    """Checks that a class map numbers the classes as it did when the model learnt.

    Raises:
        ValueError: it does not.
    """
    numbers = {clip.clip_id: clip.class_id for clip in recorded}
    for clip in clips:
        before = numbers.get(clip.clip_id)
        if before is not None and before != class_map.class_id(clip):
            raise ValueError(
                f"{path} was changed: class {before} of the training, that of {clip.clip_id}, is class "
                f"{class_map.class_id(clip)} there. Put the earlier file back"
            )
