"""Looks at a prepared dataset as a detector gets it: clips, one decoded batch, throughput, pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tfds_dcase_command.options import Given, Options
from tfds_dcase_command.terminal import user_path

from asd_jax.commands import common

if TYPE_CHECKING:
    from asd_jax.config import DataConfig, Experiment

EXAMPLES = (
    "inspect --dataset=2020 --data_dir=datasets",
    "inspect --config=demo --pictures=pictures --clips=normal_id_00_00000000",
)


def define(options: Options) -> None:
    """The flags."""
    options.section("what is shown")
    common.define_recipe(options, "Recipe whose windows are cut. Default: 10 s.")
    options.whole("batches", 30, "Batches to time.", least=1)
    options.text("pictures", None, "Folder for spectrograms of clips.", "FOLDER")
    options.listed("clips", [], "Clips to draw: parts of clip ids. Default: the first six.")
    common.define_data(options)
    common.define_settings(options)


def run(given: Given) -> None:
    """Prints and draws."""
    common.start(given)
    import tfds_dcase

    from asd_jax.config import Experiment
    from asd_jax.detectors.stgram_mfn import STgramMFNConfig

    recipe = (
        common.load_recipe(given.config)
        if given.config
        else Experiment("inspection", STgramMFNConfig())
    )
    experiment = common.chosen_experiment(recipe, given)
    data = experiment.data
    folder = tfds_dcase.load(data.dataset, data.data_dir).data_path
    print(f"{folder}\n\n{tfds_dcase.summary(folder)}\n")
    _show_batches(experiment, given.batches)
    if given.pictures:
        _draw(data, user_path(given.pictures), given.clips)


def _show_batches(experiment: Experiment, batches: int) -> None:
    """Prints one training batch and how fast others come."""
    from asd_jax.data.clips import STAGE_OF_MODE
    from asd_jax.data.inspection import clips_per_second, describe_batch
    from asd_jax.data.service import DataService

    data = experiment.data
    service = DataService(
        data.dataset,
        data.data_dir,
        experiment.detector.windows(),
        experiment.training.batch_size,
        data.machine_types,
        data.channel,
    )
    training = service.training([STAGE_OF_MODE[data.mode]], data.class_by)
    print(f"a training batch\n{describe_batch(next(iter(training.dataset)))}\n")
    for place, rate in clips_per_second(training, batches).items():
        print(f"{rate:8.0f} windows/s on the {place}")


def _draw(data: DataConfig, folder: Path, wanted: list[str]) -> None:
    """Saves a picture of every chosen clip, with all its channels."""
    from asd_jax.data.clips import ClipSource, all_clips
    from asd_jax.features.logmel import LogMel
    from asd_jax.features.pictures import save_spectrogram

    clips = [
        clip
        for clip in all_clips(data.dataset, data.data_dir)
        if clip.machine_type in data.machine_types or not data.machine_types
    ]
    chosen = [clip for clip in clips if any(name in clip.clip_id for name in wanted)]
    if wanted and not chosen:
        raise ValueError(f"no clip id holds {' or '.join(wanted)}: clips.csv lists them")
    chosen = chosen or clips[:6]
    source = ClipSource(data.dataset, data.data_dir, chosen, "all")
    for position, clip in enumerate(chosen):
        path = folder / f"{clip.clip_id.replace('/', '_').removesuffix('.wav')}.png"
        title = f"{clip.clip_id}\n{clip.label}, {clip.domain} domain {clip.attributes}"
        save_spectrogram(path, source[position], title, LogMel.stgram())
        print(path)
