"""Looks at a prepared dataset as a detector hears it: clips, one decoded batch, throughput, pictures.

python launch/inspect_data.py --dataset=2020 --data_dir=datasets
python launch/inspect_data.py --config=configs/demo.py --pictures=pictures --clips=normal_id_00_00000000
"""

from asd_jax import terminal

# isort: split
from collections.abc import Sequence
from pathlib import Path

import tfds_dcase
from absl import app, flags

from asd_jax import command_line
from asd_jax.config import DataConfig, Experiment, load_config
from asd_jax.data.clips import STAGE_OF_MODE, ClipSource, all_clips
from asd_jax.data.inspection import clips_per_second, describe_batch
from asd_jax.data.service import DataService
from asd_jax.detectors.stgram_mfn import STgramMFNConfig
from asd_jax.features.logmel import LogMel
from asd_jax.features.pictures import save_spectrogram

_CONFIG = flags.DEFINE_string("config", None, "Experiment whose windows are cut. Default: 10 s.")
_BATCHES = flags.DEFINE_integer("batches", 30, "Batches to time.", lower_bound=1)
_PICTURES = flags.DEFINE_string("pictures", None, "Folder for spectrograms of clips.")
_CLIPS = flags.DEFINE_list("clips", [], "Clips to draw: parts of clip ids. Default: the first six.")
flags.adopt_module_key_flags(command_line)


def main(argv: Sequence[str]) -> None:
    """Prints and draws."""
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {' '.join(argv[1:])}")
    with command_line.expected_errors():
        command_line.start()
        plain = Experiment("inspection", STgramMFNConfig())
        experiment = command_line.chosen_experiment(
            load_config(terminal.user_path(_CONFIG.value)) if _CONFIG.value else plain
        )
        data = experiment.data
        folder = tfds_dcase.load(data.dataset, data.data_dir).data_path
        print(f"{folder}\n\n{tfds_dcase.summary(folder)}\n")
        show_batches(experiment)
        if _PICTURES.value:
            draw(data, terminal.user_path(_PICTURES.value))


def show_batches(experiment: Experiment) -> None:
    """Prints one training batch and how fast others come."""
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
    for place, rate in clips_per_second(training, _BATCHES.value).items():
        print(f"{rate:8.0f} windows/s on the {place}")


def draw(data: DataConfig, folder: Path) -> None:
    """Saves a picture of every chosen clip, with all its channels."""
    clips = [
        clip
        for clip in all_clips(data.dataset, data.data_dir)
        if clip.machine_type in data.machine_types or not data.machine_types
    ]
    chosen = [clip for clip in clips if any(name in clip.clip_id for name in _CLIPS.value)]
    if _CLIPS.value and not chosen:
        raise ValueError(f"no clip id holds {' or '.join(_CLIPS.value)}: clips.csv lists them")
    chosen = chosen or clips[:6]
    source = ClipSource(data.dataset, data.data_dir, chosen, "all")
    for position, clip in enumerate(chosen):
        path = folder / f"{clip.clip_id.replace('/', '_').removesuffix('.wav')}.png"
        title = f"{clip.clip_id}\n{clip.label}, {clip.domain} domain {clip.attributes}"
        save_spectrogram(path, source[position], title, LogMel.stgram())
        print(path)


if __name__ == "__main__":
    app.run(main)
