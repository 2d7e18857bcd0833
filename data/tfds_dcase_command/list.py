"""Lists the years with their machine types, or the archives of one year with their addresses."""

from pathlib import Path

from tfds_dcase_command.options import Given, Options
from tfds_dcase_command.terminal import user_path

EXAMPLES = ("list", "list --dataset=2023", "list --data_dir=datasets")


def define(options: Options) -> None:
    """The flags."""
    options.section("what is listed")
    options.text("dataset", None, "The archives of this year.", "YEAR")
    options.text("data_dir", None, "What is prepared in this folder.", "FOLDER")


def run(given: Given) -> None:
    """Prints the list."""
    if given.data_dir:
        _prepared(user_path(given.data_dir))
    elif given.dataset:
        _archives(given.dataset)
    else:
        _years()


def _years() -> None:
    from tfds_dcase.layouts import LAYOUTS

    for config, layout in LAYOUTS.items():
        print(f"{config}  {layout.task}")
        print(f"           {', '.join(layout.machine_types)}")


def _archives(dataset: str) -> None:
    from tfds_dcase.layouts import LAYOUTS
    from tfds_dcase.sources import config_of

    layout = LAYOUTS.get(config_of(dataset))
    if layout is None:
        raise ValueError(f"{dataset} is no year: choose one of {', '.join(LAYOUTS)}")
    for kind in layout.kinds:
        for machine_type in kind.machine_types:
            print(f"{kind.file_name(machine_type):44} {kind.address(machine_type)}")


def _prepared(data_dir: Path) -> None:
    from tfds_dcase import read_index
    from tfds_dcase.errors import ArchiveError

    folders = sorted(path.parent for path in data_dir.glob("*/*/*/dataset_info.json"))
    if not folders:
        raise FileNotFoundError(f"nothing is prepared in {data_dir}")
    for folder in folders:
        try:
            clips = read_index(folder)
        except ArchiveError as error:
            print(f"{folder}  {error}")
            continue
        types = sorted({clip.machine_type for clip in clips}, key=str.lower)
        hours = sum(clip.samples / clip.sample_rate for clip in clips) / 3600
        print(f"{folder}  {len(clips)} clips, {hours:.1f} h, {', '.join(types)}")
