"""Archives come whole and only what is published; every failure names its file and cure."""

import threading
from pathlib import Path
from typing import Any

import pytest
import tfds_dcase
from tensorflow_datasets.core.download import checksums as tfds_checksums
from tfds_dcase.download import download
from tfds_dcase.layouts import LAYOUTS
from tfds_dcase.locks import locked
from tfds_dcase.zenodo import Patience

from tests.tfds_dcase.archive_server import (
    FAN,
    IMPATIENT,
    PUMP,
    ArchiveServer,
    Place,
    Trouble,
    archive,
)


def test_archives_come_and_a_second_run_asks_nothing(place: Place) -> None:
    """The plain case, and the record that spares the next run every request."""
    report = place.fetch("fan", "pump")
    assert place.is_whole(FAN)
    assert place.is_whole(PUMP)
    assert {path.name for path in report.fetched} == {FAN, PUMP} == place.names()
    assert report.notes == report.kept == ()
    asked = len(place.server.requests)
    # Both archives are in one record, whose list is asked for once.
    assert len(place.server.asked("record")) == 1
    headers = place.server.asked(FAN)[0].headers
    assert headers["User-Agent"].startswith("tfds_dcase")
    assert headers["Accept-Encoding"] == "identity"
    again = place.fetch("fan", "pump")
    assert again.fetched == ()
    assert {path.name for path in again.kept} == {FAN, PUMP}
    assert len(place.server.requests) == asked


def test_what_came_is_recorded_as_tfds_reads_it(place: Place) -> None:
    place.fetch()
    path = place.folder / FAN
    recorded = tfds_checksums.load_url_infos(place.folder / "checksums.tsv")
    url = f"{place.server.site}/records/3678171/files/{FAN}?download=1"
    assert recorded == {url: tfds_checksums.compute_url_info(path)}
    assert recorded[url].filename == FAN


def test_wrong_bytes_once_are_fetched_again(place: Place) -> None:
    wrong = bytes(len(place.server.files[FAN]))
    place.server.troubles[FAN] = [Trouble(body=wrong)]
    place.fetch()
    assert place.ranges() == ["", ""]
    assert place.is_whole()


def test_wrong_bytes_twice_are_a_fault_with_what_was_expected(place: Place) -> None:
    wrong = bytes(len(place.server.files[FAN]))
    place.server.always[FAN] = Trouble(body=wrong)
    with pytest.raises(tfds_dcase.ArchiveError) as error:
        place.fetch()
    md5 = place.server.file_list()[0]["checksum"].removeprefix("md5:")
    assert f"{md5} is published" in str(error.value)
    assert "thrown away" in str(error.value)
    assert len(place.server.asked(FAN)) == 2
    assert place.names() == set()


@pytest.mark.parametrize("surplus", [-5, 5])
def test_a_length_that_is_not_the_published_one_is_a_fault(place: Place, surplus: int) -> None:
    data = (place.server.files[FAN] + bytes(5))[: len(place.server.files[FAN]) + surplus]
    place.server.always[FAN] = Trouble(body=data)
    message = rf"sends {len(data)} bytes, {len(data) - surplus} are published"
    with pytest.raises(tfds_dcase.ArchiveError, match=message):
        place.fetch()
    # The announced length was enough: nothing was read to its end for nothing.
    assert place.names() == set()


def test_an_announced_length_that_does_not_come_is_told(place: Place) -> None:
    """Without a file list the Content-Length is all there is."""
    place.server.listing = {}
    data = place.server.files[FAN]
    place.server.always[FAN] = Trouble(announced=len(data) + 7, ranges=False)
    with pytest.raises(tfds_dcase.ArchiveError, match=rf"broke off at {len(data)}"):
        place.fetch()
    assert FAN not in place.names()


def test_a_body_without_end_is_cut_at_the_published_length(place: Place) -> None:
    place.server.always[FAN] = Trouble(body=bytes(2 << 20), announced=-1)
    with pytest.raises(tfds_dcase.ArchiveError, match="more than the announced"):
        place.fetch()
    assert place.names() == set()


def test_an_error_names_file_and_address_and_the_other_file_stays(place: Place) -> None:
    """One machine type fails, the other is kept and used by the next run."""
    del place.server.files[PUMP]
    with pytest.raises(tfds_dcase.ArchiveError) as error:
        place.fetch("fan", "pump")
    where = f"{place.server.site}/records/3678171/files/{PUMP}?download=1"
    assert f"{where} answers 404 Not Found" in str(error.value)
    assert f"\n  {place.folder / PUMP}  {where}" in str(error.value)
    assert FAN not in str(error.value)
    assert place.is_whole(FAN)
    place.server.files[PUMP] = archive("pump")
    assert [path.name for path in place.fetch("fan", "pump").fetched] == [PUMP]
    assert len(place.server.asked(FAN)) == 1


def test_a_busy_server_is_asked_again_after_the_pause_it_names(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retry-After is kept to, a day or nonsense of it is not, and 5xx have growing pauses."""
    pauses: list[float] = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", pauses.append)
    place.server.troubles["record"] = [Trouble(status=503)]
    place.server.troubles[FAN] = [
        Trouble(status=429, headers={"Retry-After": value}) for value in ("7", "86400", "soon")
    ]
    place.fetch(patience=Patience(attempts=5, pause=0.25, longest_pause=20, timeout=5))
    assert [pause for pause in pauses if pause > 0.1] == [7, 20, 0.25]
    assert place.is_whole()
    place.server.always[PUMP] = Trouble(status=502)
    pauses.clear()
    with pytest.raises(tfds_dcase.ArchiveError, match="answers 502 Bad Gateway"):
        place.fetch("pump", patience=Patience(attempts=5, pause=0.25, timeout=5))
    assert [pause for pause in pauses if pause > 0.1] == [0.5, 1, 2]


@pytest.mark.parametrize(
    "form", ["entries", "entries by name", "older", "sizes as floats", "list of another record"]
)
def test_every_documented_form_of_the_file_list_is_understood(place: Place, form: str) -> None:
    listed = place.server.file_list()
    older = [
        {"filename": f["key"], "filesize": f["size"], "checksum": f["checksum"][4:]} for f in listed
    ]
    place.server.listing = {
        "entries": {"enabled": True, "entries": listed},
        "entries by name": {"files": {"entries": {f["key"]: f for f in listed}}},
        "older": {"files": older},
        "sizes as floats": {"files": [f | {"size": float(f["size"])} for f in listed]},
        "list of another record": {"files": [None, 7, {"key": "README.md"}]},
    }[form]
    place.server.always[FAN] = Trouble(body=archive("fan", seed=9))
    if form == "list of another record":
        assert "does not list it" in place.fetch().notes[0]
    else:
        with pytest.raises(tfds_dcase.ArchiveError, match="is published"):
            place.fetch()


@pytest.mark.parametrize(
    "trouble",
    [Trouble(status=404), Trouble(body=b"<html>"), Trouble(body=b"[" * 99999), Trouble(body=b"7")],
)
def test_without_a_file_list_lengths_come_from_the_server_and_it_is_told(
    place: Place, trouble: Trouble
) -> None:
    place.server.always["record"] = trouble
    place.server.troubles[FAN] = [Trouble(stop_after=70000)]
    report = place.fetch()
    assert report.notes[0].startswith("no checksums for record 3678171")
    assert place.ranges() == ["", "bytes=70000-"]
    assert place.is_whole()


def test_a_page_instead_of_an_archive_is_not_taken(place: Place) -> None:
    """A network's login page comes with 200 and a right length."""
    place.server.always["record"] = place.server.always[FAN] = Trouble(body=b"<html>log in</html>")
    with pytest.raises(tfds_dcase.ArchiveError, match="19 bytes are no zip archive"):
        place.fetch()
    assert place.names() == set()


def test_without_a_connection_every_file_and_its_address_is_printed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.fetch("fan")
    with ArchiveServer({}) as gone:
        site = gone.site
    with pytest.raises(tfds_dcase.ArchiveError) as error:
        place.fetch("fan", "pump", "ToyCar", stages=["dev", "eval"], site=site)
    heading, *lines = str(error.value).splitlines()
    assert heading.startswith(f"{site} cannot be reached: ")
    assert "Connection refused" in heading
    assert len(lines) == 1 + 8
    assert f"  {place.folder / PUMP}  {site}/records/3678171/files/{PUMP}?download=1" in lines
    assert not any(FAN in line for line in lines)
    monkeypatch.setenv("http_proxy", site)
    monkeypatch.delenv("NO_PROXY")
    with pytest.raises(tfds_dcase.ArchiveError, match=r"cannot be reached: .*proxy"):
        place.fetch("pump", site="http://archives.invalid")


def test_progress_counts_files_and_bytes(place: Place) -> None:
    """Bytes thrown away are taken back: at the end exactly the files' bytes were done."""
    place.server.always[FAN] = Trouble(ranges=False)
    place.server.troubles[FAN] = [Trouble(stop_after=70000)]
    calls: list[tuple[str, int, int, int]] = []
    place.fetch("fan", "pump", progress=lambda *call: calls.append(call))
    total = sum(len(data) for data in place.server.files.values())
    assert calls[-1] == ("downloading", 2, 2, total)
    assert max(call[3] for call in calls) == total
    assert len({call[3] for call in calls}) > 4


@pytest.mark.parametrize(("connections", "seconds"), [(2, 5), (1, 0.1)])
def test_as_many_files_come_at_the_same_time_as_allowed(
    place: Place, connections: int, seconds: float
) -> None:
    """Two answers meet where two connections are allowed, and never where one is."""
    meeting = threading.Barrier(2, timeout=seconds)
    place.server.troubles = {name: [Trouble(meeting=meeting)] for name in (FAN, PUMP)}
    place.fetch("fan", "pump", connections=connections)
    assert meeting.broken == (connections == 1)
    assert place.names() == {FAN, PUMP}


def test_two_downloads_into_one_folder_do_not_meet(place: Place) -> None:
    with locked(place.folder / ".download.lock", "downloading"):
        with pytest.raises(tfds_dcase.ArchiveError, match="another process is downloading"):
            place.fetch()
    place.fetch()


def test_only_what_is_published_can_be_asked_for(place: Place) -> None:
    with pytest.raises(tfds_dcase.ArchiveError, match="at least 1"):
        place.fetch(connections=0)
    with pytest.raises(tfds_dcase.ArchiveError, match=r"no machine type 'fun'.*did you mean fan"):
        place.fetch("fun")
    with pytest.raises(tfds_dcase.ArchiveError, match="unknown stage 'test'"):
        place.fetch(stages=["test"])
    with pytest.raises(tfds_dcase.ArchiveError, match="dcase2023 has no eval archive of fan"):
        download(2023, place.archives, ["fan", "bandsaw"], ["eval"], site=place.server.site)
    (place.archives / "dcase2022").parent.mkdir(exist_ok=True)
    (place.archives / "dcase2022").write_text("")
    with pytest.raises(tfds_dcase.ArchiveError, match="dcase2022 cannot be written to"):
        download(2022, place.archives, site=place.server.site)
    assert place.server.requests == []


def test_the_whole_of_2024_has_its_second_releases_only(tmp_path: Path) -> None:
    """Every published archive once, under the layout's names and nobody else's."""
    names = LAYOUTS["dcase2024"].archive_names()
    with ArchiveServer({name: archive("x", clips=1) for name in names}) as server:
        report = download(2024, tmp_path, connections=8, site=server.site, patience=IMPATIENT)
        asked = sorted(request.name for request in server.requests)
    assert asked == sorted([*names, *["record"] * 3])
    assert {path.name for path in report.fetched} == names
    assert "eval_data_3DPrinter_train_r2.zip" in names
    assert "eval_data_3DPrinter_train.zip" not in names


@pytest.mark.parametrize("listing", [None, [{"key": "README.md"}]])
def test_a_checksum_that_the_package_notes_holds_where_the_record_tells_none(
    tmp_path: Path, listing: list[dict[str, Any]] | None
) -> None:
    """Even for a file that was put there by hand: it is not recorded as whole."""
    name = "eval_data_Sander_test.zip"
    with ArchiveServer({name: archive("Sander")}) as server:
        server.listing = listing
        server.always["record"] = Trouble(status=0 if listing else 404)
        folder = tmp_path / "dcase2026"
        folder.mkdir()
        (folder / name).write_bytes(server.files[name])
        (folder / "eval_data_Sander_train.zip").write_bytes(archive("Sander", seed=1))
        with pytest.raises(tfds_dcase.ArchiveError) as error:
            download(
                2026,
                tmp_path,
                ["Sander"],
                stages=["eval"],
                site=server.site,
                patience=IMPATIENT,
            )
        for md5 in ("05f81c9a80e91c7b3cea15f8e8559b44", "6cbcfbc65a09c4f3d00b9a55c50502ec"):
            assert f"{md5} is published" in str(error.value)
        assert not (folder / "checksums.tsv").exists()
