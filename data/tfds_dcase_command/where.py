"""Prints the folder of a prepared dataset, for `tfds.builder_from_directory`; exit status 1 where there is none."""

from tfds_dcase_command.options import Given, Options

EXAMPLES = ("where --dataset=2020 --data_dir=datasets",)


def define(options: Options) -> None:
    """The flags."""
    options.section("the dataset")
    options.text("dataset", None, "The year, 2020 to 2026; or folder.", "YEAR", required=True)
    options.text("data_dir", "datasets", "Folder of prepared datasets.", "FOLDER")


def run(given: Given) -> None:
    """Prints the folder."""
    import tfds_dcase

    print(tfds_dcase.load(given.dataset, given.data_dir).data_path)
