"""What is on the disk is checked, kept and named when it is damaged; too little room is told."""

import errno
import io
import shutil
from typing import Any

import pytest
import tfds_dcase
from tfds_dcase.checksums import verify_archives
from tfds_dcase.traffic import StoppedError, Traffic

from tests.tfds_dcase.archive_server import (
    FAN,
    PUMP,
    ArchiveServer,
    Place,
    Trouble,
    archive,
)


def test_archives_put_there_by_hand_are_checked_and_recorded(place: Place) -> None:
    """With a connection against the list, once; without one they are taken, and it is told."""
    place.folder.mkdir(parents=True)
    (place.folder / FAN).write_bytes(place.server.files[FAN])
    with ArchiveServer({}) as gone:
        site = gone.site
    report = place.fetch(site=site)
    assert "cannot be reached" in report.notes[0]
    assert verify_archives(2020, place.archives).unrecorded == (place.folder / FAN,)
    assert place.fetch().notes == ()
    assert place.server.asked(FAN) == []
    assert verify_archives(2020, place.archives, hashes=True).whole == (place.folder / FAN,)


def test_a_wrong_archive_that_was_there_is_named_and_not_touched(place: Place) -> None:
    """It may be the user's own: only the user removes it."""
    place.folder.mkdir(parents=True)
    own = archive("fan", seed=7)
    (place.folder / FAN).write_bytes(own)
    with pytest.raises(tfds_dcase.ArchiveError, match=r"fan.zip: its MD5 is .*Remove it") as error:
        place.fetch("fan", "pump")
    assert "by hand" not in str(error.value)
    assert (place.folder / FAN).read_bytes() == own
    assert place.is_whole(PUMP)


def test_damage_on_disk_is_found_and_named(place: Place) -> None:
    """A cut file by its size and always; a changed byte by its hash, when asked."""
    place.fetch("fan", "pump")
    fan, pump = place.folder / FAN, place.folder / PUMP
    data = bytearray(fan.read_bytes())
    data[999] ^= 1
    fan.write_bytes(data)
    assert set(verify_archives(2020, place.archives).whole) == {fan, pump}
    with pytest.raises(tfds_dcase.ArchiveError, match=r"dev_data_fan.zip: its SHA-256.*Remove"):
        verify_archives(2020, place.archives, hashes=True)
    fan.write_bytes(data[:-1])
    for look in (lambda: verify_archives(2020, place.archives), place.fetch):
        with pytest.raises(
            tfds_dcase.ArchiveError, match=rf"fan.zip: it has {len(data) - 1} bytes"
        ):
            look()
    fan.unlink()
    report = verify_archives(2020, place.archives, hashes=True)
    assert (report.whole, report.absent) == ((pump,), (fan,))
    with pytest.raises(tfds_dcase.ArchiveError, match="dcase2021 does not exist"):
        verify_archives(2021, place.archives)


def test_a_damaged_record_is_named_with_its_line(place: Place) -> None:
    place.fetch()
    with (place.folder / "checksums.tsv").open("a") as file:
        file.write("half a li")
    with pytest.raises(tfds_dcase.ArchiveError, match=r"checksums.tsv, line 3 is damaged"):
        place.fetch()


def test_too_little_room_is_told_before_anything_is_fetched(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there of a part is not needed again; one byte too few is too few."""
    size = len(place.server.files[FAN])
    place.server.troubles[FAN] = [Trouble(stop_after=70000), *[Trouble(stop_after=0)] * 9]
    with pytest.raises(tfds_dcase.ArchiveError, match="broke off"):
        place.fetch()
    place.server.troubles.clear()
    asked = len(place.server.asked(FAN))
    for listed in (True, False):
        place.server.listing = None if listed else {}
        usage = shutil._ntuple_diskusage(size, 0, size - 70001)
        monkeypatch.setattr(shutil, "disk_usage", lambda path, usage=usage: usage)
        with pytest.raises(tfds_dcase.ArchiveError, match=r"needs 0.00 GB more, .* are free"):
            place.fetch()
    assert len(place.server.asked(FAN)) == asked
    enough = shutil._ntuple_diskusage(size, 0, size - 70000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: enough)
    place.fetch()
    assert place.is_whole()


def test_a_part_that_is_too_long_gives_no_room_to_another_file(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    fan, pump = (len(place.server.files[name]) for name in (FAN, PUMP))
    place.folder.mkdir(parents=True)
    (place.folder / f"{FAN}.part").write_bytes(bytes(fan + 5000))
    little = shutil._ntuple_diskusage(pump, 0, pump - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: little)
    with pytest.raises(tfds_dcase.ArchiveError, match="are free"):
        place.fetch("fan", "pump")


def test_a_transfer_that_outlives_the_download_writes_nothing_more() -> None:
    """The next download may already go on with its part."""
    file = io.BytesIO()
    with Traffic(False, files=1, size=2, there=0) as traffic:
        traffic.write(file, b"1")
    with pytest.raises(StoppedError):
        traffic.write(file, b"2")
    with pytest.raises(StoppedError):
        traffic.pause(60)
    assert file.getvalue() == b"1"


def test_a_disk_that_is_full_on_the_way_keeps_the_parts(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Traffic.write
    written: list[int] = []

    def full(traffic: Traffic, file: Any, chunk: bytes) -> None:
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(len(chunk))
        write(traffic, file, chunk)

    monkeypatch.setattr(Traffic, "write", full)
    with pytest.raises(tfds_dcase.ArchiveError, match=r"fan.zip: No space left.*Make room"):
        place.fetch()
    assert (place.folder / f"{FAN}.part").stat().st_size == written[0]
    monkeypatch.undo()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    place.fetch()
    assert place.ranges()[-1] == f"bytes={written[0]}-"
    assert place.is_whole()
