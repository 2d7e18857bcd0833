"""Turns published weights into a work directory that evaluate.py uses as if it had been trained here.

python launch/import_weights.py --detector=stgram_mfn --weights=model.pth.tar --workdir=runs/published
"""

import typing
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags

from asd_jax import command_line
from asd_jax.config import load_config
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
flags.adopt_module_key_flags(command_line)


def main(argv: Sequence[str]) -> None:
    """Imports and says where the models are."""
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {' '.join(argv[1:])}")
    with command_line.expected_errors():
        command_line.start()
        name = _DETECTOR.value
        configured = load_config(Path(_CONFIG.value)) if _CONFIG.value else default_experiment(name)
        experiment = command_line.chosen_experiment(configured)
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
        print(f"next: python launch/evaluate.py --workdir={workdir}")


def _weights(text: str) -> Weights:
    part, equals, path = text.partition("=")
    return Weights(path, part) if equals else Weights(text)


def _class_map(path: str | None) -> ClassMap | None:
    if path is None:
        return None
    try:
        return ClassMap.load(Path(path).expanduser())
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no class map as training writes it: {error}") from error


if __name__ == "__main__":
    app.run(main)
