"""Wav files whose recorder was stopped before it wrote the length: they are read to the end that is there."""

import io
import struct
from pathlib import Path

# What programs write before they know a length: 0, or the largest numbers of 31 and 32 bits, less a header.
_OPEN_FROM = 0x7FFFF000
_HEADER = struct.Struct("<4sI4s")
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_BEHIND = (
    b"LIST",
    b"id3 ",
    b"ID3 ",
    b"bext",
    b"iXML",
    b"_PMX",
    b"cue ",
    b"fact",
    b"afsp",
    b"JUNK",
    b"PAD ",
)
_LARGEST_TAIL = 1 << 20


def finished(path: Path) -> io.BytesIO | None:
    """The file with the lengths that its bytes have; None for a file whose header was finished, or that is no wav."""
    with path.open("rb") as file:
        head = file.read(_HEADER.size)
        if len(head) < _HEADER.size:
            return None
        kind, _, form = _HEADER.unpack(head)
        if kind not in (b"RIFF", b"RF64") or form != b"WAVE":
            return None
        place = _data_chunk(file)
        if place is None:
            return None
        start, size, frame = place
        there = path.stat().st_size - start
        is_open = size >= _OPEN_FROM and size > there
        is_empty = size == 0 and there >= frame
        if kind == b"RF64" or not (is_open or is_empty):
            return None
        file.seek(0)
        content = bytearray(file.read())
    if is_empty and content[start : start + 4] in _BEHIND:
        return None
    end = _end_of_samples(content, start)
    end -= (end - start) % frame
    if end <= start:
        return None
    del content[end:]
    struct.pack_into("<I", content, start - 4, end - start)
    struct.pack_into("<I", content, 4, len(content) - 8)
    return io.BytesIO(bytes(content))


def _data_chunk(file: io.BufferedReader) -> tuple[int, int, int] | None:
    """Where the samples begin, how many bytes the header promises, and the bytes of a frame."""
    frame = 0
    while len(chunk := file.read(_CHUNK.size)) == _CHUNK.size:
        name, size = _CHUNK.unpack(chunk)
        if name == b"data":
            return (file.tell(), size, frame) if frame else None
        content = file.tell()
        if name == b"fmt " and size >= _FORMAT.size:
            frame = _FORMAT.unpack(file.read(_FORMAT.size))[4]
        file.seek(content + size + size % 2)
    return None


def _end_of_samples(content: bytearray, start: int) -> int:
    """Where the samples end: tags that a program wrote behind them are no sound."""
    end = len(content)
    for name in _BEHIND:
        place = content.rfind(name, max(start, end - _LARGEST_TAIL))
        if place < 0:
            continue
        size = struct.unpack_from("<I", content, place + 4)[0] if place + 8 <= end else -1
        if size >= 0 and place + 8 + size + size % 2 in (end, end + size % 2):
            return _end_of_samples(content[:place], start)
    return end
