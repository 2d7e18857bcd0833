"""Wav files whose recorder was stopped before it wrote the length: they are read to the end that is there."""

import io
import struct
from pathlib import Path

import numpy as np

# What programs write before they know a length: 0, or the largest numbers of 31 and 32 bits, less a header.
_OPEN_FROM = 0x7FFFF000
_HEADER = struct.Struct("<4sI4s")
_CHUNK = struct.Struct("<4sI")
_FORMAT = struct.Struct("<HHIIHH")
_DS64 = struct.Struct("<QQQ")
# Kinds of chunks of which a part may stand at the end of a file that was cut off within them.
_CUT = (b"LIST", b"id3 ", b"ID3 ", b"bext", b"iXML", b"_PMX")
_LARGEST_TAIL = 64 << 20
_LARGEST_CUT = 1 << 20
_ID3V1 = 128
_MOST = 0xFFFFFFFF


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
        if not (is_open or is_empty) or start + there > _MOST:
            return None
        file.seek(0)
        content = bytearray(file.read())
    end = _end_of_samples(content, start)
    end -= (end - start) % frame
    if end <= start:
        return None
    del content[end:]
    if kind == b"RF64":
        # Short enough for the plain form, whose readers skip what the long one has in front.
        content[:4] = b"RIFF"
        content[_HEADER.size : _HEADER.size + 4] = b"JUNK"
    struct.pack_into("<I", content, start - 4, end - start)
    struct.pack_into("<I", content, 4, len(content) - 8)
    return io.BytesIO(bytes(content))


def _data_chunk(file: io.BufferedReader) -> tuple[int, int, int] | None:
    """Where the samples begin, how many bytes the header promises, and the bytes of a frame."""
    frame, long_size = 0, None
    while len(chunk := file.read(_CHUNK.size)) == _CHUNK.size:
        name, size = _CHUNK.unpack(chunk)
        if name == b"data":
            promised = size if size != _MOST or long_size is None else long_size
            return (file.tell(), promised, frame) if frame else None
        content = file.tell()
        if name == b"fmt " and size >= _FORMAT.size:
            frame = _FORMAT.unpack(file.read(_FORMAT.size))[4]
        if name == b"ds64" and size >= _DS64.size:
            long_size = _DS64.unpack(file.read(_DS64.size))[1]
        file.seek(content + size + size % 2)
    return None


def _end_of_samples(content: bytearray, start: int) -> int:
    """Where the samples end: tags that a program wrote behind them are no sound."""
    end = len(content)
    while end > start:
        shorter = min(
            _before_chunks(content, start, end),
            _before_id3(content, start, end),
            _before_cut_chunk(content, start, end),
        )
        if shorter == end:
            break
        end = shorter
    return end


def _before_chunks(content: bytearray, start: int, end: int) -> int:
    """Where a chain of chunks begins that ends exactly at the end, whatever their kinds."""
    first = max(start, end - _LARGEST_TAIL)
    view = np.frombuffer(content, np.uint8)[first:end]
    if len(view) < _CHUNK.size:
        return end
    # A chunk begins at an even place behind the samples.
    places = np.arange((start - first) % 2, len(view) - 7, 2)
    for i in range(4):
        letters = view[places + i]
        places = places[((letters >= 0x30) & (letters <= 0x7A)) | (letters == 0x20)]
    sizes = sum(view[places + 4 + i].astype(np.int64) << (8 * i) for i in range(4))
    ends = places + 8 + sizes
    reached = end - first
    while True:
        found = places[((ends == reached) | (ends + ends % 2 == reached)) & (places < reached)]
        if not len(found):
            return first + reached
        reached = int(found.min())


def _before_id3(content: bytearray, start: int, end: int) -> int:
    """Where the tag of an mp3 encoder begins, which some programs append to any file."""
    if end - _ID3V1 >= start and content[end - _ID3V1 : end - _ID3V1 + 3] == b"TAG":
        return end - _ID3V1
    place = content.rfind(b"ID3", max(start, end - _LARGEST_TAIL), end)
    if place >= 0 and place + 10 <= end and content[place + 3] in (2, 3, 4):
        size = sum(
            (byte & 0x7F) << (7 * (3 - i)) for i, byte in enumerate(content[place + 6 : place + 10])
        )
        if place + 10 + size in (end, end - 10):
            return place
    return end


def _before_cut_chunk(content: bytearray, start: int, end: int) -> int:
    """Where a chunk of tags begins that the file ends within."""
    for name in _CUT:
        place = content.rfind(name, max(start, end - _LARGEST_CUT), end)
        if place < start or (place - start) % 2 or place + _CHUNK.size > end:
            continue
        size = struct.unpack_from("<I", content, place + 4)[0]
        if place + _CHUNK.size + size > end and size < _LARGEST_CUT:
            return place
    return end
