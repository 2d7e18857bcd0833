"""A server on this machine that publishes archives as Zenodo does, and fails as it is told to."""

import dataclasses
import hashlib
import io
import json
import re
import threading
import time
import zipfile
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.parse import unquote, urlsplit

import numpy as np
import soundfile
from tfds_dcase.download import DownloadReport, download
from tfds_dcase.zenodo import Patience

FAN, PUMP = "dev_data_fan.zip", "dev_data_pump.zip"
IMPATIENT = Patience(attempts=3, pause=0.001, timeout=5)


@dataclasses.dataclass(frozen=True)
class Trouble:
    """What goes wrong with one answer.

    Attributes:
        status: Answer this and no file; 0 answers the file.
        headers: Headers more, or others.
        stop_after: Break the connection off after so many bytes of the body; -1 does not.
        ranges: Whether a Range request is honoured.
        if_range: Whether If-Range is looked at.
        body: Send these bytes instead of the file's.
        announced: Content-Length to announce instead of the right one; -1 announces none.
        pause: Seconds to wait between pieces of 4 KiB.
        meeting: Wait with the body until as many answers are begun; break off when it is broken.
    """

    status: int = 0
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    stop_after: int = -1
    ranges: bool = True
    if_range: bool = True
    body: bytes | None = None
    announced: int = 0
    pause: float = 0.0
    meeting: threading.Barrier | None = None


@dataclasses.dataclass(frozen=True)
class Request:
    """A request that came: its file (or `record`), method, headers, and the bytes sent."""

    name: str
    method: str
    headers: Mapping[str, str]
    sent: int


class ArchiveServer:
    """Serves `files` on a free port of this machine until it is left.

    Attributes:
        files: What is published, by name.
        troubles: Answers to come, by name: the first is used up first, then all is well. `record`
            stands for the file lists.
        always: Troubles of every answer, by name.
        listing: What the file lists say instead of the truth, as JSON values.
    """

    def __init__(self, files: dict[str, bytes]) -> None:
        """Publishes `files`."""
        self.files = files
        self.troubles: dict[str, list[Trouble]] = {}
        self.always: dict[str, Trouble] = {}
        self.listing: Any = None
        self._requests: list[Request] = []
        self._under_way = 0
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.site = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        """Begins to serve."""
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes the port."""
        self._server.shutdown()
        self._server.server_close()

    @property
    def requests(self) -> list[Request]:
        """Those that came, after the last of them has ended."""
        with self._changed:
            assert self._changed.wait_for(lambda: not self._under_way, 10), "a request hangs"
            return list(self._requests)

    def asked(self, name: str) -> list[Request]:
        """GET requests for a file, or for `record`."""
        return [one for one in self.requests if one.name == name and one.method == "GET"]

    def file_list(self) -> list[dict[str, Any]]:
        """The true list of the files, as Zenodo gives it."""
        return [
            {"key": name, "size": len(data), "checksum": f"md5:{hashlib.md5(data).hexdigest()}"}
            for name, data in self.files.items()
        ]

    def _begin(self) -> None:
        with self._changed:
            self._under_way += 1

    def _end(self, request: Request) -> None:
        with self._changed:
            self._requests.append(request)
            self._under_way -= 1
            self._changed.notify_all()

    def _trouble(self, name: str, method: str) -> Trouble:
        if method == "GET" and self.troubles.get(name):
            return self.troubles[name].pop(0)
        return self.always.get(name, Trouble())

    def _list(self) -> bytes:
        listing = {"files": self.file_list()} if self.listing is None else self.listing
        return json.dumps(listing).encode()

    def _handler(server) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer("GET")

            def do_HEAD(self) -> None:
                self._answer("HEAD")

            def log_message(self, format: str, *args: object) -> None:
                """Prints nothing."""

            def _answer(self, method: str) -> None:
                server._begin()
                self._sent = 0
                path = unquote(urlsplit(self.path).path)
                name = "record" if path.startswith("/api/") else path.rpartition("/")[2]
                trouble = server._trouble(name, method)
                data = server._list() if name == "record" else server.files.get(name)
                if trouble.body is not None:
                    data = trouble.body
                status = trouble.status or (404 if data is None else 200)
                headers = dict(trouble.headers)
                body = b""
                if status == 200 and data is not None:
                    tag = f'"{hashlib.md5(data).hexdigest()}"'
                    headers = {"ETag": tag, "Content-Type": "application/octet-stream"} | headers
                    status, body = self._cut(data, headers, trouble)
                try:
                    self._send(method, status, headers, body, trouble)
                finally:
                    server._end(Request(name, method, dict(self.headers), self._sent))

            def _cut(
                self, data: bytes, headers: dict[str, str], trouble: Trouble
            ) -> tuple[int, bytes]:
                wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
                same = self.headers.get("If-Range", headers["ETag"]) in headers.values()
                if not wanted or not trouble.ranges or (trouble.if_range and not same):
                    return 200, data
                begin = int(wanted[1])
                if begin >= len(data):
                    headers["Content-Range"] = f"bytes */{len(data)}"
                    return 416, b""
                whole = f"bytes {begin}-{len(data) - 1}/{len(data)}"
                headers.setdefault("Content-Range", whole)
                return 206, data[begin:]

            def _send(
                self, method: str, status: int, headers: dict[str, str], body: bytes, how: Trouble
            ) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if how.announced >= 0:
                    self.send_header("Content-Length", str(how.announced or len(body)))
                # One answer a connection, so that a broken one shows.
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
                if method == "HEAD":
                    return
                rest = body if how.stop_after < 0 else body[: how.stop_after]
                try:
                    if how.meeting:
                        how.meeting.wait()
                    for begin in range(0, len(rest), 4096):
                        self._sent += self.wfile.write(rest[begin : begin + 4096])
                        time.sleep(how.pause)
                except (BrokenPipeError, ConnectionResetError, threading.BrokenBarrierError):
                    self.close_connection = True

        return Handler


def archive(machine_type: str, seed: int = 0, clips: int = 3) -> bytes:
    """An archive of about 200 kB: several pieces of what is read at once."""
    noise = np.random.default_rng(seed)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as packed:
        for n in range(clips):
            wav = io.BytesIO()
            samples = noise.integers(-999, 999, 32000, np.int16)
            soundfile.write(wav, samples, 16000, format="WAV")
            packed.writestr(f"{machine_type}/train/normal_id_00_{n:08}.wav", wav.getvalue())
    return data.getvalue()


class Place(NamedTuple):
    """A server, and the folder that is downloaded to."""

    server: ArchiveServer
    archives: Path

    @property
    def folder(self) -> Path:
        """Where the year's archives come to lie."""
        return self.archives / "dcase2020"

    def fetch(self, *machine_types: str, **options: Any) -> DownloadReport:
        """Downloads development archives of 2020, the fan's unless told."""
        given: dict[str, Any] = {"stages": ["dev"], "site": self.server.site, "patience": IMPATIENT}
        return download(2020, self.archives, machine_types or ("fan",), **given | options)

    def is_whole(self, name: str = FAN) -> bool:
        """Whether an archive came as it is published."""
        return (self.folder / name).read_bytes() == self.server.files[name]

    def ranges(self, name: str = FAN) -> list[str]:
        """The Range headers of the requests for an archive, empty for the whole of it."""
        return [request.headers.get("Range", "") for request in self.server.asked(name)]

    def names(self) -> set[str]:
        """Archives and parts that are there."""
        return {path.name for path in self.folder.iterdir()} - {".download.lock", "checksums.tsv"}
