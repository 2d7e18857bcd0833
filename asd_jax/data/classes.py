"""Which class of the training a clip belongs to."""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from tfds_dcase import ClipInfo

from asd_jax.json_files import read_json_object
from asd_jax.ranges import require_in_range
from asd_jax.typed_values import from_json

CLASS_FIELDS = ("machine_type", "section", "domain", "attributes")
_KNOWN_IN_TEST = ("machine_type", "section")


@dataclasses.dataclass(frozen=True)
class ClassMap:
    """Class ids of a classifier: one for every combination of the named fields in training.

    Attributes:
        by: fields of a clip that make its class.
        classes: the fields' values, by class id.
    """

    by: tuple[str, ...]
    classes: tuple[tuple[str, ...], ...]

    @classmethod
    def fit(cls, clips: Sequence[ClipInfo], by: Sequence[str]) -> "ClassMap":
        """Numbers the combinations that occur, in sorted order.

        Raises:
            ValueError: `by` does not name the machine type, or names what a clip does not have.
        """
        unknown = sorted(set(by) - set(CLASS_FIELDS))
        if unknown or "machine_type" not in by:
            raise ValueError(
                f"a class is made of machine_type and any of {', '.join(CLASS_FIELDS[1:])}, "
                f"not of {', '.join(by) or 'nothing'}: mend data.class_by"
            )
        return cls(tuple(by), tuple(sorted({_values(clip, by) for clip in clips})))

    def __len__(self) -> int:
        return len(self.classes)

    def class_id(self, clip: ClipInfo) -> int:
        """Class of a training clip.

        Raises:
            KeyError: no training clip had these values.
        """
        values = _values(clip, self.by)
        if values not in self.classes:
            raise KeyError(f"{clip.clip_id}: class {'/'.join(values)} is not in the class map")
        return self.classes.index(values)

    def unknown(self, clips: Iterable[ClipInfo]) -> list[str]:
        """Classes of some clips that the map does not have, such as `fan/id_00`, in sorted order."""
        return sorted("/".join(v) for v in {_values(c, self.by) for c in clips} - {*self.classes})

    def candidates(self, clip: ClipInfo) -> np.ndarray:
        """Classes that a test clip may truly have, `[classes]` bool.

        Machine type and section are known of a test clip, domain and attributes are not. A section that training did
        not see may be any section of its machine type.

        Raises:
            ValueError: training saw no clip of this machine type.
        """
        same_type = np.array(
            [self._agrees(known, clip, ("machine_type",)) for known in self.classes]
        )
        if not same_type.any():
            seen = sorted({values[self.by.index("machine_type")] for values in self.classes})
            raise ValueError(
                f"{clip.clip_id}: the model was not trained on {clip.machine_type} but on "
                f"{', '.join(seen)}: choose these machine types, or train a model on it"
            )
        same_section = np.array(
            [self._agrees(known, clip, _KNOWN_IN_TEST) for known in self.classes]
        )
        return same_section if same_section.any() else same_type

    def has_section(self, clip: ClipInfo) -> bool:
        """Whether training saw the clip's section."""
        return any(self._agrees(known, clip, _KNOWN_IN_TEST) for known in self.classes)

    def _agrees(self, known: tuple[str, ...], clip: ClipInfo, fields: Sequence[str]) -> bool:
        pairs = zip(self.by, known, strict=True)
        return all(getattr(clip, field) == value for field, value in pairs if field in fields)

    def save(self, path: Path) -> None:
        """Writes the map as JSON, as a whole or not at all."""
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n")
        unfinished.replace(path)

    @classmethod
    def load(cls, path: Path) -> "ClassMap":
        """Reads what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is no class map; the message names it and the key.
        """
        content = read_json_object(path, "a class map")
        class_map = from_json(cls, content)
        require_in_range(class_map, str(path))
        return class_map

    def faults(self) -> list[str]:
        """What does not fit together; see `ranges.require_in_range`."""
        found = [
            f"classes[{i}] has {len(values)} values for {len(self.by)} fields"
            for i, values in enumerate(self.classes)
            if len(values) != len(self.by)
        ]
        found += [
            f"by names {name}, no field of a class" for name in self.by if name not in CLASS_FIELDS
        ]
        if len({*self.classes}) < len(self.classes):
            found.append("classes has one twice")
        return found if self.classes else ["classes is empty", *found]


def _values(clip: ClipInfo, by: Sequence[str]) -> tuple[str, ...]:
    return tuple(getattr(clip, field) for field in by)
