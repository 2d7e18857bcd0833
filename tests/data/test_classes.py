"""Class ids of clips, and the classes that a test clip may have."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from tfds_dcase import ClipInfo

from asd_jax.data.classes import ClassMap


def clip(machine_type: str, section: str = "00", domain: str = "source") -> ClipInfo:
    name = f"{machine_type}_{section}_{domain}.wav"
    return ClipInfo(
        split=f"dev_train_{machine_type}",
        position=0,
        clip_id=f"dcase2021/dev/{machine_type}/train/{name}",
        file_name=name,
        machine_type=machine_type,
        section=section,
        domain=domain,
        label="normal",
        attributes="",
        sample_rate=16000,
        samples=160000,
        content_hash="",
    )


TRAINING = [
    clip("pump", "02"),
    clip("fan", "01", "target"),
    clip("fan", "00"),
    clip("fan", "01"),
    clip("fan", "00"),
]


def fit(by: Sequence[str] = ("machine_type", "section")) -> ClassMap:
    return ClassMap.fit(TRAINING, by)


def test_ids_are_sorted_and_do_not_depend_on_the_order_of_the_clips() -> None:
    classes = fit()
    assert classes.classes == (("fan", "00"), ("fan", "01"), ("pump", "02"))
    assert len(classes) == 3
    assert classes == ClassMap.fit(TRAINING[::-1], ("machine_type", "section"))
    assert [classes.class_id(each) for each in TRAINING] == [2, 1, 0, 1, 0]


def test_a_known_section_is_its_own_only_candidate() -> None:
    np.testing.assert_array_equal(fit().candidates(clip("fan", "01")), [False, True, False])


def test_domain_is_not_known_of_a_test_clip() -> None:
    """With the domain among the class fields, all domains of the section are candidates."""
    classes = fit(("machine_type", "section", "domain"))
    assert classes.classes[1:3] == (("fan", "01", "source"), ("fan", "01", "target"))
    for domain in ("source", "target", "unknown"):
        np.testing.assert_array_equal(
            classes.candidates(clip("fan", "01", domain)), [False, True, True, False]
        )


def test_an_unseen_section_may_be_any_of_its_type() -> None:
    classes = fit()
    np.testing.assert_array_equal(classes.candidates(clip("fan", "05")), [True, True, False])
    assert classes.has_section(clip("fan", "01"))
    assert not classes.has_section(clip("fan", "05"))


def test_classes_of_machine_types_alone() -> None:
    classes = fit(("machine_type",))
    assert classes.classes == (("fan",), ("pump",))
    np.testing.assert_array_equal(classes.candidates(clip("pump", "77")), [False, True])


def test_an_unseen_machine_type_is_an_error_with_the_cure() -> None:
    with pytest.raises(
        ValueError, match=r"valve/train/.* not trained on valve but on fan, pump: ch"
    ):
        fit().candidates(clip("valve"))


def test_the_class_of_a_clip_that_training_did_not_see_is_an_error() -> None:
    with pytest.raises(KeyError, match=r"fan_05_source.wav: class fan/05 is not in the class map"):
        fit().class_id(clip("fan", "05"))


@pytest.mark.parametrize("by", [(), ("section",), ("machine_type", "colour")])
def test_class_fields_are_checked(by: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"machine_type and any of .* mend data.class_by"):
        fit(by)


def test_a_saved_map_is_the_same_when_loaded(tmp_path: Path) -> None:
    classes = fit(("machine_type", "section", "domain"))
    classes.save(tmp_path / "classes.json")
    assert ClassMap.load(tmp_path / "classes.json") == classes
