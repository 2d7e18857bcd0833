"""How each year's archives are named and laid out: one table entry a year."""

import dataclasses
import difflib
import re

from tfds_dcase.errors import ArchiveError

SAMPLE_RATE = 16_000
DOMAINS = ("source", "target", "unknown")
LABELS = ("normal", "anomaly", "unknown")
STAGES = {"dev": "development", "eval": "evaluation"}


@dataclasses.dataclass(frozen=True)
class ArchiveKind:
    """One kind of published zip archive: one file a machine type.

    Attributes:
        stage: `dev` or `eval`.
        parts: What the archive holds: `train`, `test` or both.
        name: File name with `{machine_type}` in it.
        record: The Zenodo record that it was published in.
        machine_types: The machine types that it exists for.
        replaced: Those of them whose first release was replaced: `_r2` ends the name of theirs.
    """

    stage: str
    parts: tuple[str, ...]
    name: str
    record: int
    machine_types: tuple[str, ...]
    replaced: tuple[str, ...] = ()

    @property
    def labels_hidden(self) -> bool:
        """Whether the names of its clips keep the label back."""
        return self.stage == "eval" and self.parts == ("test",)

    def file_name(self, machine_type: str) -> str:
        """The archive's file name for one machine type."""
        first = self.name.format(machine_type=machine_type)
        return first.replace(".zip", "_r2.zip") if machine_type in self.replaced else first

    def address(self, machine_type: str) -> str:
        """Where the archive is published."""
        archive = self.file_name(machine_type)
        return f"https://zenodo.org/records/{self.record}/files/{archive}?download=1"

    def machine_type_in(self, file_name: str) -> str | None:
        """What stands in the machine type's place of `file_name`; None for another pattern."""
        for machine_type in self.replaced:
            if file_name == self.file_name(machine_type):
                return machine_type
        before, after = self.name.split("{machine_type}")
        found = re.fullmatch(f"{re.escape(before)}(.+){re.escape(after)}", file_name)
        return found[1] if found else None


@dataclasses.dataclass(frozen=True)
class YearLayout:
    """The archives of one year's challenge.

    Attributes:
        config: The builder config's name, `dcase2020`.
        task: Address of the year's task description.
        folders: Expression of a clip's folder below `<machine_type>/`.
        labelled: Expression of a clip's name, without `.wav`, where it tells the label.
        hidden: The same where the label is kept back.
        kinds: Development, additional training and evaluation test archives.
        channels: Of every recording; of two, the first is near the machine and the second far.
        version: Of the year's prepared dataset: a year whose archives or truth change gets another.
    """

    config: str
    task: str
    folders: str
    labelled: str
    hidden: str
    kinds: tuple[ArchiveKind, ...]
    channels: int = 1
    version: str = "1.1.0"

    @property
    def has_domains(self) -> bool:
        """Whether clips come from two domains; one-domain years count as source."""
        return "domain" in re.compile(self.labelled).groupindex

    @property
    def machine_types(self) -> tuple[str, ...]:
        """All machine types of the year, each once, development first."""
        return tuple(dict.fromkeys(name for kind in self.kinds for name in kind.machine_types))

    def archive_names(self) -> frozenset[str]:
        """Every archive that was published in this year."""
        return frozenset(kind.file_name(name) for kind in self.kinds for name in kind.machine_types)


# A clip's part and domain stand in its folder, in its name or in both: the groups are named alike
# in both expressions, so that the reader can compare them.
_TRAIN_OR_TEST = r"(?P<part>train|test)"
_SECTION = r"(?P<section>section_\d{2})"
_SECTION_DOMAIN = _SECTION + r"_(?P<domain>source|target)_"
_SECTION_LABELLED = (
    _SECTION_DOMAIN
    + r"(?P<part>train|test)_(?P<label>normal|anomaly)_\d{4}(?:_(?P<attributes>.+))?"
)
_TYPES_2020 = ("ToyCar", "ToyConveyor", "fan", "pump", "slider", "valve")
_TYPES_2021 = ("ToyCar", "ToyTrain", "fan", "gearbox", "pump", "slider", "valve")
_TYPES_2022 = ("ToyCar", "ToyTrain", "bearing", "fan", "gearbox", "slider", "valve")
_EVAL_TYPES_2023 = ("ToyDrone", "ToyNscale", "ToyTank", "Vacuum", "bandsaw", "grinder", "shaker")
_REPLACED_2024 = ("3DPrinter", "RoboticArm")
_EVAL_TYPES_2024 = (
    "3DPrinter",
    "AirCompressor",
    "BrushlessMotor",
    "HairDryer",
    "HoveringDrone",
    "RoboticArm",
    "Scanner",
    "ToothBrush",
    "ToyCircuit",
)
_EVAL_TYPES_2025 = (
    "AutoTrash",
    "BandSealer",
    "CoffeeGrinder",
    "HomeCamera",
    "Polisher",
    "ScrewFeeder",
    "ToyPet",
    "ToyRCCar",
)

_TYPES_2026 = ("ToyCar", "ToyCarEmu", "bearingEmu", "fan", "gearboxEmu", "sliderEmu", "valveEmu")
_EVAL_TYPES_2026 = ("BlowerDustCollector", "Sander", "SewingMachine", "ToothBrush", "ToyDrone")

_YEARS = (
    YearLayout(
        "dcase2020",
        "https://dcase.community/challenge2020/task-unsupervised-detection-of-anomalous-sounds",
        folders=_TRAIN_OR_TEST,
        labelled=r"(?P<label>normal|anomaly)_(?P<section>id_\d{2})_\d{8}",
        hidden=r"(?P<section>id_\d{2})_\d{8}",
        kinds=(
            ArchiveKind(
                "dev", ("train", "test"), "dev_data_{machine_type}.zip", 3678171, _TYPES_2020
            ),
            ArchiveKind(
                "eval", ("train",), "eval_data_train_{machine_type}.zip", 3727685, _TYPES_2020
            ),
            ArchiveKind(
                "eval", ("test",), "eval_data_test_{machine_type}.zip", 3841772, _TYPES_2020
            ),
        ),
    ),
    YearLayout(
        "dcase2021",
        "https://dcase.community/challenge2021/task-unsupervised-detection-of-anomalous-sounds",
        folders=r"(?:(?P<domain>source|target)_)?(?P<part>(?(domain)test|train))",
        labelled=_SECTION_LABELLED,
        hidden=_SECTION_DOMAIN + r"(?P<part>test)_\d{4}",
        kinds=(
            ArchiveKind(
                "dev", ("train", "test"), "dev_data_{machine_type}.zip", 4562016, _TYPES_2021
            ),
            ArchiveKind(
                "eval", ("train",), "eval_data_{machine_type}_train.zip", 4660992, _TYPES_2021
            ),
            ArchiveKind(
                "eval", ("test",), "eval_data_{machine_type}_test.zip", 4884786, _TYPES_2021
            ),
        ),
    ),
    YearLayout(
        "dcase2022",
        "https://dcase.community/challenge2022/"
        "task-unsupervised-anomalous-sound-detection-for-machine-condition-monitoring",
        folders=_TRAIN_OR_TEST,
        labelled=_SECTION_LABELLED,
        hidden=_SECTION + r"_\d{4}",
        kinds=(
            ArchiveKind("dev", ("train", "test"), "dev_{machine_type}.zip", 6355122, _TYPES_2022),
            ArchiveKind(
                "eval", ("train",), "eval_data_{machine_type}_train.zip", 6462969, _TYPES_2022
            ),
            ArchiveKind(
                "eval", ("test",), "eval_data_{machine_type}_test.zip", 6586456, _TYPES_2022
            ),
        ),
    ),
    YearLayout(
        "dcase2023",
        "https://dcase.community/challenge2023/"
        "task-first-shot-unsupervised-anomalous-sound-detection-for-machine-condition-monitoring",
        folders=_TRAIN_OR_TEST,
        labelled=_SECTION_LABELLED,
        hidden=_SECTION + r"_\d{4}",
        kinds=(
            ArchiveKind("dev", ("train", "test"), "dev_{machine_type}.zip", 7882613, _TYPES_2022),
            ArchiveKind(
                "eval", ("train",), "eval_data_{machine_type}_train.zip", 7830345, _EVAL_TYPES_2023
            ),
            ArchiveKind(
                "eval", ("test",), "eval_data_{machine_type}_test.zip", 7860847, _EVAL_TYPES_2023
            ),
        ),
    ),
    YearLayout(
        "dcase2024",
        "https://dcase.community/challenge2024/"
        "task-first-shot-unsupervised-anomalous-sound-detection-for-machine-condition-monitoring",
        folders=_TRAIN_OR_TEST,
        labelled=_SECTION_LABELLED,
        hidden=_SECTION + r"_\d{4}",
        kinds=(
            ArchiveKind("dev", ("train", "test"), "dev_{machine_type}.zip", 10902294, _TYPES_2022),
            ArchiveKind(
                "eval",
                ("train",),
                "eval_data_{machine_type}_train.zip",
                11259435,
                _EVAL_TYPES_2024,
                _REPLACED_2024,
            ),
            ArchiveKind(
                "eval", ("test",), "eval_data_{machine_type}_test.zip", 11363076, _EVAL_TYPES_2024
            ),
        ),
    ),
    YearLayout(
        "dcase2025",
        "https://dcase.community/challenge2025/"
        "task-first-shot-unsupervised-anomalous-sound-detection-for-machine-condition-monitoring",
        folders=_TRAIN_OR_TEST,
        labelled=_SECTION_LABELLED,
        hidden=_SECTION + r"_\d{4}",
        kinds=(
            ArchiveKind("dev", ("train", "test"), "dev_{machine_type}.zip", 15097779, _TYPES_2022),
            ArchiveKind(
                "eval", ("train",), "eval_data_{machine_type}_train.zip", 15392814, _EVAL_TYPES_2025
            ),
            ArchiveKind(
                "eval", ("test",), "eval_data_{machine_type}_test.zip", 15519362, _EVAL_TYPES_2025
            ),
        ),
    ),
    YearLayout(
        "dcase2026",
        "https://dcase.community/challenge2026/"
        "task-first-shot-unsupervised-anomalous-sound-detection-for-machine-condition-monitoring",
        folders=_TRAIN_OR_TEST,
        labelled=_SECTION_LABELLED,
        hidden=_SECTION + r"_\d{4}",
        kinds=(
            ArchiveKind(
                "dev",
                ("train", "test"),
                "dev_{machine_type}.zip",
                19336329,
                _TYPES_2026,
                ("ToyCar",),
            ),
            ArchiveKind(
                "eval", ("train",), "eval_data_{machine_type}_train.zip", 20151556, _EVAL_TYPES_2026
            ),
            ArchiveKind(
                "eval", ("test",), "eval_data_{machine_type}_test.zip", 20437238, _EVAL_TYPES_2026
            ),
        ),
        channels=2,
    ),
)
LAYOUTS = {layout.config: layout for layout in _YEARS}


def layout_of(dataset: str | int) -> YearLayout:
    """The layout of a year given as `dcase2020`, `2020` or 2020.

    Raises:
        ArchiveError: for a year that has no layout.
    """
    config = f"dcase{str(dataset).removeprefix('dcase')}"
    if config not in LAYOUTS:
        raise ArchiveError(f"unknown dataset {dataset!r}. Choose one of {', '.join(LAYOUTS)}")
    return LAYOUTS[config]


def nearest(name: str, choices: tuple[str, ...]) -> str:
    """A hint for a mistyped `name`: the nearest choice when one is near, then all of them."""
    near = difflib.get_close_matches(name.lower(), [choice.lower() for choice in choices], 1)
    hint = [f"did you mean {choice}? " for choice in choices if [choice.lower()] == near]
    return f"{''.join(hint)}The machine types are {', '.join(choices)}"
