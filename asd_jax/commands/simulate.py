"""Writes simulated machines as zip archives in the official DCASE Task 2 layout."""

from pathlib import Path

from tfds_dcase_command.options import Given, Options
from tfds_dcase_command.terminal import user_path

from asd_jax.commands import common

EXAMPLES = ("simulate --dataset=2020 --output=datasets/simulated_2020",)
# As asd_jax.simulation has them.
SIZES = ("demo", "full", "small")


def define(options: Options) -> None:
    """The flags."""
    options.section("what is simulated")
    options.text("dataset", "dcase2020", "Year to imitate: 2020 to 2026.", "YEAR")
    options.listed("machine_types", [], "Machine types; all where not given.", "fan,pump")
    options.listed("stages", ["dev"], "Any of dev and eval.")
    options.text(
        "output", "", "Folder of the archives. Default: datasets/simulated_YEAR.", "FOLDER"
    )
    options.section("how much")
    options.choice("size", "demo", SIZES, "How much is written.")
    options.whole("sections", None, "Machine IDs or sections per type, instead of the size's.", 1)
    options.whole("train_clips", None, "Training clips per section, instead of the size's.", 1)
    options.whole("test_clips", None, "Normal, and as many anomalous, test clips per section.", 0)
    options.number("seconds", None, "Clip length in s. Default: the official lengths.")
    options.section("how it sounds")
    options.number("snr_db", 3.0, "Mean ratio of machine to factory noise, dB.")
    options.whole("seed", 0, "Another seed gives other machines.", 0)


def run(given: Given) -> None:
    """Writes the archives and lists them."""
    import dataclasses

    from asd_jax.simulation import SIZES, simulate

    dataset = f"dcase{given.dataset.removeprefix('dcase')}"
    output = user_path(given.output or f"datasets/simulated_{dataset}")
    overrides = {
        "sections": given.sections,
        "train": given.train_clips,
        "test_normal": given.test_clips,
        "test_anomaly": given.test_clips,
    }
    chosen = {name: value for name, value in overrides.items() if value is not None}
    written = simulate(
        dataset,
        output,
        dataclasses.replace(SIZES[given.size], **chosen),
        machine_types=given.machine_types,
        stages=given.stages,
        seconds=given.seconds,
        snr_db=given.snr_db,
        seed=given.seed,
        progress=True,
    )
    _print_summary(written, dataset, output)


def _print_summary(written: dict[Path, int], dataset: str, output: Path) -> None:
    from asd_jax.simulation import GROUND_TRUTH

    for path, clips in written.items():
        print(f"{path.name:36} {clips:6d} clips {path.stat().st_size / 1e6:9.1f} MB")
    size = sum(path.stat().st_size for path in written)
    print(
        f"{len(written)} archives, {sum(written.values())} clips, {size / 1e6:.0f} MB in {output}"
    )
    if (output / GROUND_TRUTH).exists():
        print(f"labels of the evaluation test clips: {output / GROUND_TRUTH}")
    print(common.next_command("prepare", f"--dataset={dataset}", f"--archives={output}"))
