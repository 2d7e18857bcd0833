"""Turns published weights into a work directory that evaluate.py uses as if it had been trained here.

python launch/import_weights.py --detector=stgram_mfn --weights=model.pth.tar --workdir=runs/published
"""

from asd_jax import terminal

# isort: split
import typing
from collections.abc import Sequence

from absl import app, flags

from asd_jax import command_line
from asd_jax.config import Experiment, load_config, override
from asd_jax.data.classes import ClassMap
from asd_jax.interop.importing import ClassOrder, Weights, default_experiment, import_weights
from asd_jax.interop.published import PUBLISHED

_DETECTOR = flags.DEFINE_enum("detector", None, list(PUBLISHED), "The system.", required=True)
_WEIGHTS = flags.DEFINE_list(
    "weights",
    None,
    "PyTorch (.pth, .pt, .tar), Keras (.h5, .hdf5, .keras), .safetensors or .npz. {machine_type} in the path stands "
    "for each model's. Networks in several files: G=g.pth,D=d.pth.",
    required=True,
)
_CONFIG = flags.DEFINE_string(
    "config", None, "Experiment file, in place of the system's defaults; sizes are the weights'."
)
_CLASS_MAP = flags.DEFINE_string(
    "class_map", None, "class_map.json that numbers the classes as the weights do."
)
_CLASS_ORDER = flags.DEFINE_enum(
    "class_order",
    "published",
    typing.get_args(ClassOrder),
    "Without --class_map: machine types sorted regardless of case, or with capitals first.",
)
_CLIP_ENDS = flags.DEFINE_enum(
    "clip_ends",
    None,
    ["zeros", "reflect"],
    "How the spectrogram pads a clip's ends: zeros (librosa 0.10 and newer) or reflect (librosa before 0.10, "
    "torchaudio); by default as the system was published.",
)
flags.adopt_module_key_flags(command_line)


def main(argv: Sequence[str]) -> None:
    """Imports and says where the models are."""
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {' '.join(argv[1:])}")
    with command_line.expected_errors():
        command_line.start()
        name = _DETECTOR.value
        configured = (
            load_config(terminal.user_path(_CONFIG.value))
            if _CONFIG.value
            else default_experiment(name)
        )
        experiment = command_line.chosen_experiment(configured)
        experiment = _padded(experiment, _CLIP_ENDS.value)
        workdir = command_line.chosen_workdir(experiment)
        folders = import_weights(
            name,
            [_weights(text) for text in _WEIGHTS.value],
            experiment,
            workdir,
            _class_map(_CLASS_MAP.value),
            typing.cast(ClassOrder, _CLASS_ORDER.value),
        )
        for folder in folders:
            print(f"imported {folder}")
        print(_how_clips_end(experiment))
        print(f"next: python launch/evaluate.py --workdir={workdir}")


def _padded(experiment: Experiment, ends: str | None) -> Experiment:
    if ends is None:
        return experiment
    return override(experiment, [f"detector.features.reflect={str(ends == 'reflect').lower()}"])


def _how_clips_end(experiment: Experiment) -> str:
    features = getattr(experiment.detector, "features", None)
    if getattr(features, "reflect", False):
        return "clips are padded by reflection; --clip_ends=zeros for scores made with librosa 0.10 or newer"
    return (
        "clips are padded with zeros; --clip_ends=reflect for scores made with librosa before 0.10"
    )


def _weights(text: str) -> Weights:
    part, equals, path = text.partition("=")
    return Weights(path, part) if equals else Weights(text)


def _class_map(path: str | None) -> ClassMap | None:
    if path is None:
        return None
    try:
        return ClassMap.load(terminal.user_path(path))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no class map as training writes it: {error}") from error


if __name__ == "__main__":
    app.run(main)
