"""A part is continued where it stopped, and bytes of two versions are never joined."""

import pytest
import tfds_dcase
from tensorflow_datasets.core.download import checksums as tfds_checksums

from tests.tfds_dcase.archive_server import (
    FAN,
    IMPATIENT,
    Place,
    Trouble,
    archive,
)


def test_a_connection_that_breaks_off_again_and_again_is_continued(place: Place) -> None:
    """Breaks that get further each time never use the patience up: each asks only for the rest."""
    place.server.troubles[FAN] = [Trouble(stop_after=n) for n in (20000, 1, 30000, 40000, 50000)]
    place.fetch()
    assert place.is_whole()
    begins = ("", 20000, 20001, 50001, 90001, 140001)
    assert place.ranges() == [f"bytes={n}-" if n else "" for n in begins]
    assert sum(request.sent for request in place.server.asked(FAN)) == len(place.server.files[FAN])


def test_a_server_that_gets_no_further_is_given_up_and_its_part_kept(place: Place) -> None:
    place.server.troubles[FAN] = [Trouble(stop_after=70000)]
    place.server.always[FAN] = Trouble(stop_after=0)
    with pytest.raises(tfds_dcase.ArchiveError, match=r"dev_data_fan.zip: .*broke off at 70000"):
        place.fetch()
    assert (place.folder / f"{FAN}.part").stat().st_size == 70000
    assert len(place.server.asked(FAN)) == 1 + IMPATIENT.attempts - 1
    place.server.always.clear()
    place.fetch()
    assert place.ranges()[-1] == "bytes=70000-"
    assert place.is_whole()
    assert place.names() == {FAN}


def test_a_server_without_ranges_is_read_from_the_start(place: Place) -> None:
    """A 200 instead of a 206 replaces the part; appended it would be a wrong file."""
    place.server.always[FAN] = Trouble(ranges=False)
    place.server.troubles[FAN] = [Trouble(stop_after=70000)]
    place.fetch()
    assert place.ranges() == ["", "bytes=70000-"]
    assert place.is_whole()


@pytest.mark.parametrize("if_range", [True, False])
def test_a_part_of_another_version_is_not_joined(place: Place, if_range: bool) -> None:
    """Also with a server that sends the rest of the new version without regarding If-Range."""
    place.server.listing = {}
    place.server.troubles[FAN] = [Trouble(stop_after=70000)]
    place.server.always[FAN] = Trouble(stop_after=0)
    with pytest.raises(tfds_dcase.ArchiveError):
        place.fetch()
    place.server.files[FAN] = archive("fan", seed=5)
    place.server.always[FAN] = Trouble(if_range=if_range)
    place.fetch()
    assert place.server.asked(FAN)[-1 if if_range else -2].headers["If-Range"]
    assert place.is_whole()


def test_a_rest_that_begins_elsewhere_is_not_joined(place: Place) -> None:
    """Without a file list nothing else would find it: zip readers pass over bytes in between."""
    place.server.listing = {}
    size = len(place.server.files[FAN])
    wrong = Trouble(headers={"Content-Range": f"bytes 60000-{size - 1}/{size}"})
    place.server.troubles[FAN] = [Trouble(stop_after=70000), wrong]
    place.fetch()
    assert place.ranges() == ["", "bytes=70000-", ""]
    assert place.is_whole()


@pytest.mark.parametrize("listed", [True, False])
def test_a_part_of_no_known_version_needs_a_checksum(place: Place, listed: bool) -> None:
    place.server.listing = None if listed else {}
    unnamed = {"ETag": ""}
    place.server.always[FAN] = Trouble(headers=unnamed)
    place.server.troubles[FAN] = [Trouble(headers=unnamed, stop_after=70000)]
    place.fetch()
    assert place.ranges() == ["", "bytes=70000-" if listed else ""]
    assert place.is_whole()


def test_a_weak_tag_gives_way_to_the_date(place: Place) -> None:
    """If-Range with a weak ETag never matches: every continuation would start afresh."""
    date = "Thu, 26 Nov 2020 14:30:06 GMT"
    place.server.always[FAN] = Trouble(headers={"ETag": 'W/"1"', "Last-Modified": date})
    place.server.troubles[FAN] = [
        Trouble(headers=place.server.always[FAN].headers, stop_after=70000)
    ]
    place.fetch()
    assert place.server.asked(FAN)[1].headers["If-Range"] == date
    assert place.server.asked(FAN)[1].sent == len(place.server.files[FAN]) - 70000


@pytest.mark.parametrize("listed", [True, False])
def test_a_part_that_is_whole_gets_its_name(place: Place, listed: bool) -> None:
    """Killed before the renaming: known by its length, or by the server's 416 where none is listed."""
    data = place.server.files[FAN]
    place.server.listing = None if listed else {}
    place.folder.mkdir(parents=True)
    (place.folder / f"{FAN}.part").write_bytes(data)
    tag = f'"{tfds_checksums.compute_url_info(place.folder / f"{FAN}.part").checksum}"'
    (place.folder / f"{FAN}.part.version").write_text(tag)
    place.server.always[FAN] = Trouble(headers={"ETag": tag})
    place.fetch()
    assert place.is_whole()
    assert place.names() == {FAN}
    assert place.ranges() == ([] if listed else [f"bytes={len(data)}-"])


def test_a_part_that_is_too_long_is_thrown_away(place: Place) -> None:
    place.folder.mkdir(parents=True)
    (place.folder / f"{FAN}.part").write_bytes(bytes(len(place.server.files[FAN]) + 9))
    place.fetch()
    assert place.ranges() == [""]
    assert place.is_whole()
