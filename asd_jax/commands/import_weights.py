"""Turns published weights into a run that is evaluated as if it had been trained here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfds_dcase_command.options import Given, Options
from tfds_dcase_command.terminal import user_path

from asd_jax.commands import common

if TYPE_CHECKING:
    from asd_jax.config import Experiment
    from asd_jax.data.classes import ClassMap
    from asd_jax.interop.importing import Weights

EXAMPLES = (
    "import-weights --detector=stgram_mfn --weights=model.pth.tar --workdir=runs/published",
)
DETECTORS = (
    "stgram_mfn", "tdnn_stgram", "aegan_ad", "anomaly_transformer", "mobilenetv2", "dense_autoencoder",
    "conv_autoencoder", "linear_autoencoder",
)  # fmt: skip
CLASS_ORDERS = ("published", "sorted")


def define(options: Options) -> None:
    """The flags."""
    options.section("the weights")
    options.choice("detector", None, DETECTORS, "The system.", required=True)
    options.listed(
        "weights",
        None,
        "PyTorch (.pth, .pt, .tar), Keras (.h5, .hdf5, .keras), .safetensors or .npz. {machine_type} in the path "
        "stands for each model's. Networks in several files: G=g.pth,D=d.pth.",
        "FILES",
        required=True,
    )
    options.text(
        "class_map", None, "class_map.json that numbers the classes as the weights do.", "FILE"
    )
    options.choice(
        "class_order",
        "published",
        CLASS_ORDERS,
        "Without --class_map: machine types sorted regardless of case, or with capitals first.",
    )
    options.choice(
        "clip_ends",
        None,
        ["zeros", "reflect"],
        "How the spectrogram pads a clip's ends: zeros (librosa 0.10 and newer) or reflect (librosa before 0.10, "
        "torchaudio); by default as the system was published.",
    )
    common.define_recipe(
        options, "Recipe, in place of the system's defaults; sizes are the weights'."
    )
    common.define_all(options)


def run(given: Given) -> None:
    """Imports and says where the models are."""
    common.start(given)
    from asd_jax.interop.importing import default_experiment, import_weights

    name = given.detector
    configured = common.load_recipe(given.config) if given.config else default_experiment(name)
    experiment = _padded(common.chosen_experiment(configured, given), given.clip_ends)
    workdir = common.chosen_workdir(given, experiment)
    folders = import_weights(
        name,
        [_weights(text) for text in given.weights],
        experiment,
        workdir,
        _class_map(given.class_map),
        given.class_order,
    )
    for folder in folders:
        print(f"imported {folder}")
    print(_how_clips_end(experiment))
    print(common.next_command("evaluate", f"--workdir={workdir}"))


def _padded(experiment: Experiment, ends: str | None) -> Experiment:
    from asd_jax.config import override

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
    from asd_jax.interop.importing import Weights

    part, equals, path = text.partition("=")
    return Weights(path, part) if equals else Weights(text)


def _class_map(path: str | None) -> ClassMap | None:
    from asd_jax.data.classes import ClassMap

    if path is None:
        return None
    try:
        return ClassMap.load(user_path(path))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no class map as training writes it: {error}") from error
