"""A killed or interrupted download is continued, and the launcher goes from server to dataset."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import tfds_dcase
from tfds_dcase.download import download

from tests.tfds_dcase.archive_server import ArchiveServer, Trouble
from tests.tfds_dcase.test_tfds_dcase_lifecycle import pack

FAN = "dev_data_fan.zip"
PREPARE = Path(__file__).parents[2] / "launch" / "prepare.py"
# The launcher has no flag for another site than Zenodo's.
LAUNCHED = """
import functools, runpy, sys, tfds_dcase.download
module = sys.modules["tfds_dcase.download"]
patience = module.Patience(attempts=2, pause=0.001)
module.download = functools.partial(module.download, site=sys.argv.pop(1), patience=patience)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def start(site: str, *flags: str, cwd: Path) -> subprocess.Popen[str]:
    program = [sys.executable, "-c", LAUNCHED, site, str(PREPARE), "--dataset=2020", "--download"]
    return subprocess.Popen(
        [*program, *flags],
        cwd=cwd,
        env=os.environ | {"NO_PROXY": "127.0.0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ArchiveServer]:
    fan = pack(tmp_path / "published", clips=400)
    pump = pack(tmp_path / "published", "pump")
    with ArchiveServer({path.name: path.read_bytes() for path in (fan, pump)}) as server:
        yield server


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_download_goes_on_where_it_stopped(
    how: signal.Signals, server: ArchiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends at once although the server is silent; the next run asks for the rest only."""
    size = len(server.files[FAN])
    # The rest of the body is a long time in coming.
    server.troubles[FAN] = [Trouble(pause=0.3)]
    process = start(server.site, "--machine_types=fan", "--stages=dev", cwd=tmp_path)
    part = tmp_path / "archives" / "dcase2020" / f"{FAN}.part"
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    begin = time.monotonic()
    process.send_signal(how)
    _, errors = process.communicate(timeout=30)
    # A busy machine takes seconds to end a process; the server would take half a minute.
    assert time.monotonic() - begin < 15
    there = part.stat().st_size
    assert 0 < there < size
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "run the same command again to go on" in errors
        assert "Traceback" not in errors
    else:
        assert process.returncode == -how
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    download(2020, tmp_path / "archives", ["fan"], ["dev"], site=server.site)
    assert part.with_suffix("").read_bytes() == server.files[FAN]
    [rest] = [request for request in server.asked(FAN) if "Range" in request.headers]
    assert rest.headers["Range"] == f"bytes={there}-"
    assert rest.sent == size - there


def test_a_command_goes_from_the_server_to_the_dataset(
    server: ArchiveServer, tmp_path: Path
) -> None:
    """The archives come to `archives` by default, are built, and are not fetched twice."""
    server.troubles[FAN] = [Trouble(stop_after=20000)]
    flags = ("--machine_types=fan,pump", "--stages=dev", "--connections=2")
    for _ in range(2):
        process = start(server.site, *flags, cwd=tmp_path)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert "fan           id_00    source           400" in output
    assert [request.headers.get("Range") for request in server.asked(FAN)] == [
        None,
        "bytes=20000-",
    ]
    data = tfds_dcase.load(2020, tmp_path / "datasets").as_data_source("dev_train_fan")
    assert len(data) == 400


def test_a_failed_download_ends_the_command_with_status_1(
    server: ArchiveServer, tmp_path: Path
) -> None:
    del server.files["dev_data_pump.zip"]
    process = start(server.site, "--machine_types=fan,pump", "--stages=dev", cwd=tmp_path)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "answers 404 Not Found" in errors
    assert f"dcase2020/dev_data_pump.zip  {server.site}/records/3678171" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "datasets").exists()
    assert (tmp_path / "archives" / "dcase2020" / FAN).exists()
