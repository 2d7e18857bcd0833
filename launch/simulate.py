"""Writes simulated machines as zip archives in the official DCASE Task 2 layout.

Example:
  python launch/simulate.py --dataset=2020 --output=datasets/simulated_2020
"""

from __future__ import annotations

from asd_jax import terminal

# isort: split
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from absl import app, flags

from asd_jax.simulation import GROUND_TRUTH, SIZES, simulate

_DATASET = flags.DEFINE_string("dataset", "dcase2020", "Year to imitate: 2020 to 2026.")
_OUTPUT = flags.DEFINE_string(
    "output", "", "Folder of the archives; datasets/simulated_<dataset> where empty."
)
_TYPES = flags.DEFINE_list("machine_types", [], "Machine types, comma-separated; empty = all.")
_STAGES = flags.DEFINE_list("stages", ["dev"], "Any of dev and eval, comma-separated.")
_SIZE = flags.DEFINE_enum("size", "demo", sorted(SIZES), "How much is written.")
_SECTIONS = flags.DEFINE_integer(
    "sections", None, "Machine IDs or sections a type, instead of the size's.", lower_bound=1
)
_TRAIN = flags.DEFINE_integer(
    "train_clips", None, "Training clips a section, instead of the size's.", lower_bound=1
)
_TEST = flags.DEFINE_integer(
    "test_clips", None, "Normal, and as many anomalous, test clips a section.", lower_bound=0
)
_SNR = flags.DEFINE_float("snr_db", 3.0, "Mean ratio of machine to factory noise, dB.")
_SECONDS = flags.DEFINE_float("seconds", None, "Clip length in s; official lengths where unset.")
_SEED = flags.DEFINE_integer("seed", 0, "Another seed gives other machines.", lower_bound=0)


def main(argv: Sequence[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected argument {argv[1]!r}: every option begins with --")
    dataset = f"dcase{_DATASET.value.removeprefix('dcase')}"
    output = terminal.user_path(_OUTPUT.value or f"datasets/simulated_{dataset}")
    overrides = {
        "sections": _SECTIONS.value,
        "train": _TRAIN.value,
        "test_normal": _TEST.value,
        "test_anomaly": _TEST.value,
    }
    chosen = {name: value for name, value in overrides.items() if value is not None}
    with terminal.expected_errors():
        written = simulate(
            dataset,
            output,
            dataclasses.replace(SIZES[_SIZE.value], **chosen),
            machine_types=_TYPES.value,
            stages=_STAGES.value,
            seconds=_SECONDS.value,
            snr_db=_SNR.value,
            seed=_SEED.value,
            progress=True,
        )
        _print_summary(written, dataset, output)


def _print_summary(written: dict[Path, int], dataset: str, output: Path) -> None:
    for path, clips in written.items():
        print(f"{path.name:36} {clips:6d} clips {path.stat().st_size / 1e6:9.1f} MB")
    size = sum(path.stat().st_size for path in written)
    print(
        f"{len(written)} archives, {sum(written.values())} clips, {size / 1e6:.0f} MB in {output}"
    )
    if (output / GROUND_TRUTH).exists():
        print(f"labels of the evaluation test clips: {output / GROUND_TRUTH}")
    print(f"next: python launch/prepare.py --dataset={dataset} --archives={output}")


if __name__ == "__main__":
    app.run(main)
