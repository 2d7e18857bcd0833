"""What a training says before its first step: the data, what is missing of them, and the network's size."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
from tfds_dcase import ClipInfo

from asd_jax.config import DataConfig
from asd_jax.training.completeness import Completeness


class ModelSize(NamedTuple):
    """A model's size: the clips and classes that it learns, its parameters, steps done already and in all."""

    clips: int
    classes: int
    parameters: int
    done: int
    steps: int


def say(text: str) -> None:
    """Prints at once, on the first process alone."""
    if jax.process_index() == 0:
        print(text, flush=True)


def parameter_count(params: object) -> int:
    """Numbers that an optimiser learns, of a tree of arrays or of their shapes."""
    return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(params))


def announcement(
    data: DataConfig,
    clips: Sequence[ClipInfo],
    models: Mapping[str, ModelSize],
    found: Completeness,
) -> str:
    """The lines to print.

    Args:
        data: the configuration, its `train_stages` spelled out.
        clips: all training clips.
        models: the sizes of all models by name.
        found: what is missing.
    """
    types = sorted({clip.machine_type for clip in clips})
    hours = sum(clip.samples / clip.sample_rate for clip in clips) / 3600
    classes = sum(model.classes for model in models.values())
    lines = [
        ("data", f"{data.dataset} in {data.data_dir}, stages {', '.join(data.train_stages)}"),
        ("machine types", f"{len(types)}: {', '.join(types)}"),
        ("classes", f"{classes} by {', '.join(data.class_by)}"),
        ("training clips", f"{len(clips):,} ({hours:.3g} h)"),
    ]
    if found.missing:
        wanted = f" (of {found.classes} machine IDs or sections)" if found.classes else ""
        lines.append(
            ("not there", f"{'; '.join(found.missing)}{wanted}; allowed by data.incomplete")
        )
    for name, model in models.items():
        done = f" behind step {model.done:,}" if model.done else ""
        text = f"{model.clips:,} clips, {model.classes} classes, {model.parameters:,} parameters, "
        lines.append((f"model {name}", f"{text}{model.steps:,} steps{done}"))
    width = max(len(title) for title, _ in lines)
    return "\n".join(f"{title.ljust(width)}  {text}" for title, text in lines)
