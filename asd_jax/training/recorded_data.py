"""Prepared data as a trained model knows them: its own training clips among all that are there now."""

from collections.abc import Sequence
from pathlib import Path

from absl import logging
from tfds_dcase import ClipInfo

from asd_jax.config import DataConfig, Experiment
from asd_jax.data.clips import all_clips
from asd_jax.training.clip_record import RecordedClip, clip_changes, in_recorded_order, read_record
from asd_jax.training.differences import listed
from asd_jax.training.experiment import model_groups, training_clips


def recorded_clips(
    experiment: Experiment, directory: Path, recorded: Sequence[RecordedClip]
) -> list[ClipInfo]:
    """The prepared clips that a model learnt from, in its order; others are left out with a remark.

    Args:
        experiment: its `data.machine_types` and `data.train_stages` choose among them.
        directory: the model's folder.
        recorded: its record of clips.

    Raises:
        tfds_dcase.ArchiveError: the dataset is not prepared.
        ValueError: some of them are not there or are others now, or none is asked for.
    """
    data = experiment.data
    where = f"{data.dataset} in {data.data_dir}"
    clips = all_clips(data.dataset, data.data_dir)
    by_id = {clip.clip_id: clip for clip in clips if "_train_" in clip.split}
    wanted = [clip for clip in recorded if _is_wanted(data, clip)]
    present = [by_id[clip.clip_id] for clip in wanted if clip.clip_id in by_id]
    changes = clip_changes(wanted, present)
    if changes:
        raise ValueError(
            f"{directory} learnt from other clips than {where} holds now: {changes}. Thresholds and fitted scores rest "
            "on its own training clips: name their place with --data_dir, or train on the present clips under another "
            "--version"
        )
    if not present:
        types = sorted({clip.machine_type for clip in recorded})
        raise ValueError(
            f"{directory} learnt from clips of {listed(types)}, and none of them is asked for: choose other "
            "--machine_types, or leave data.train_stages as it was"
        )
    asked = model_groups(experiment, training_clips(experiment)).get(directory.name, [])
    known = {clip.clip_id for clip in recorded}
    others = [clip.clip_id for clip in asked if clip.clip_id not in known]
    if others:
        logging.warning(
            "%s has %d training clips that %s did not learn from (%s): thresholds and fitted scores do without them; "
            "train under another --version to include them",
            where,
            len(others),
            directory,
            listed(others, 3),
        )
    return in_recorded_order(wanted, present)


def _is_wanted(data: DataConfig, recorded: RecordedClip) -> bool:
    stage = recorded.split.partition("_")[0]
    is_type = not data.machine_types or recorded.machine_type in data.machine_types
    return is_type and stage in data.train_stages


def require_unheard(directory: Path, held_out: Sequence[ClipInfo]) -> None:
    """Checks that a model did not learn from clips which are held out now.

    Raises:
        ValueError: it did.
    """
    known = {clip.clip_id for clip in read_record(directory) or []}
    heard = [clip.clip_id for clip in held_out if clip.clip_id in known]
    if heard:
        raise ValueError(
            f"{directory} learnt from {len(heard):,} of the {len(held_out):,} clips that data.held_out holds back now "
            f"({listed(heard, 3)}): give data.held_out as in training, or take --set evaluation.checkpoint=last"
        )
