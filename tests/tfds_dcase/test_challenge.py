"""What the years asked to be scored."""

import pytest
import tfds_dcase

YEARS = range(2020, 2027)


@pytest.mark.parametrize("year", YEARS)
def test_every_evaluation_clip_with_a_truth_is_of_an_official_section(year: int) -> None:
    """And every official section of the evaluation data has clips of both labels and, since 2021, domains."""
    sections = tfds_dcase.official_sections(year, "eval")
    found: dict[tuple[str, str], set[str]] = {}
    for (machine_type, name), truth in tfds_dcase.evaluation_truth(year).items():
        section = "_".join(name.split("_")[:2])
        found.setdefault((machine_type, section), set()).update({truth.label, truth.domain})
    assert set(found) == {(name, s) for name, of_type in sections.items() for s in of_type}
    both = {"normal", "anomaly", "source", "target"} if year > 2020 else {"normal", "anomaly"}
    assert all(both <= known for known in found.values())


def test_machine_ids_of_2020_make_41_classes() -> None:
    stages = [tfds_dcase.official_sections("dcase2020", stage) for stage in ("dev", "eval")]
    assert [sum(map(len, stage.values())) for stage in stages] == [23, 18]
    assert stages[0]["fan"] == ("id_00", "id_02", "id_04", "id_06")
    assert stages[1]["ToyConveyor"] == ("id_04", "id_05", "id_06")


def test_an_attribute_key_that_stands_twice_stays_as_published() -> None:
    truth = tfds_dcase.evaluation_truth(2026)["ToyDrone", "section_00_0000.wav"]
    assert truth.attributes == "car_A2_spd_1_mic_2_mic_1"


def test_a_year_that_does_not_exist_has_no_truth() -> None:
    with pytest.raises(tfds_dcase.ArchiveError, match="unknown dataset 2019"):
        tfds_dcase.evaluation_truth(2019)
