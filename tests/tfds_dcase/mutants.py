"""Damaged and malicious variants of archives and wav files, the same ones for the same seed."""

import io
import random
import struct
import zipfile
from collections.abc import Callable, Mapping

Mutation = Callable[[bytearray, random.Random], None]

_SIGNATURES = {b"PK\3\4": 30, b"PK\1\2": 46, b"PK\5\6": 22}
_VALUES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
NAMES = (
    "../../escaped.wav",
    "/etc/escaped.wav",
    "C:\\escaped.wav",
    "..\\escaped.wav",
    "fan/train/../../../escaped.wav",
    "fan/train/normal_id_00_0000\0.wav",
    "fan/train/ünïcode_\N{SNOWMAN}.wav",
    "fan/train/\x1b[2J.wav",
    "fan/train/" + "x" * 5000 + ".wav",
    "fan/train/normal_id_00_00000001.wav/",
    ".",
    "/",
    "//",
    "attributes_00.csv",
    "fan/train/attributes_00.csv",
    "fan/train/normal_id_00_٠٠٠٠٠٠٠٠.wav",
)


def flip(content: bytearray, rng: random.Random) -> None:
    """Turns over one to four bits."""
    for _ in range(rng.randint(1, 4)):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def overwrite(content: bytearray, rng: random.Random) -> None:
    """Random bytes in place of others."""
    begin = rng.randrange(len(content))
    length = min(rng.randint(1, 64), len(content) - begin)
    content[begin : begin + length] = rng.randbytes(length)


def insert(content: bytearray, rng: random.Random) -> None:
    """Random bytes in between."""
    begin = rng.randrange(len(content))
    content[begin:begin] = rng.randbytes(rng.randint(1, 64))


def delete(content: bytearray, rng: random.Random) -> None:
    """Bytes are lost."""
    begin = rng.randrange(len(content))
    del content[begin : begin + rng.randint(1, 64)]


def truncate(content: bytearray, rng: random.Random) -> None:
    """The end is lost."""
    del content[rng.randrange(len(content)) :]


def behead(content: bytearray, rng: random.Random) -> None:
    """The beginning is lost."""
    del content[: rng.randrange(len(content))]


def splice(content: bytearray, rng: random.Random) -> None:
    """One part is copied over another."""
    length = rng.randint(1, len(content) // 2)
    source, target = (rng.randrange(len(content) - length + 1) for _ in range(2))
    content[target : target + length] = content[source : source + length]


def zero(content: bytearray, rng: random.Random) -> None:
    """A part that the disk lost."""
    begin = rng.randrange(len(content))
    length = min(rng.randint(1, 512), len(content) - begin)
    content[begin : begin + length] = bytes(length)


def header_field(content: bytearray, rng: random.Random) -> None:
    """Sizes, offsets, methods and flags of zip headers."""
    signature = rng.choice(list(_SIGNATURES))
    begin = rng.choice(_places(content, signature)) + rng.randrange(4, _SIGNATURES[signature])
    size = rng.choice((1, 2, 4))
    value = rng.choice((*_VALUES, rng.getrandbits(32)))
    content[begin : begin + size] = struct.pack("<I", value)[:size]


def chunk_field(content: bytearray, rng: random.Random) -> None:
    """The first fields of a wav file: sizes, format, channels, rate, bits."""
    begin, size = rng.randrange(4, 44), rng.choice((1, 2, 4))
    value = rng.choice((*_VALUES, 16000, 44100, rng.getrandbits(32)))
    content[begin : begin + size] = struct.pack("<I", value)[:size]


def extra_field(content: bytearray, rng: random.Random) -> None:
    """A zip64 or Unicode extra field of arbitrary content and length in a central header."""
    begin = rng.choice(_places(content, b"PK\1\2"))
    name, old = struct.unpack_from("<HH", content, begin + 28)
    body = b"".join(struct.pack("<Q", rng.choice(_VALUES)) for _ in range(rng.randrange(4)))
    said = rng.choice((len(body), rng.choice(_VALUES) & 0xFFFF))
    extra = struct.pack("<HH", rng.choice((1, 0x7075, 0x9901, 0)), said) + body
    struct.pack_into("<H", content, begin + 30, len(extra))
    content[begin + 46 + name : begin + 46 + name + old] = extra
    if rng.random() < 0.7:
        struct.pack_into("<II", content, begin + 20, *(rng.choice((0xFFFFFFFF, 444)),) * 2)
    _move_end(content, len(extra) - old)


def _places(content: bytearray, signature: bytes) -> list[int]:
    return [n for n in range(len(content)) if content.startswith(signature, n)]


def _move_end(content: bytearray, growth: int) -> None:
    """Tells the end record that the directory has grown."""
    end = content.rfind(b"PK\5\6")
    # A name of 65535 bytes, set by another mutation, makes the rest one big extra field.
    if end >= 0:
        (size,) = struct.unpack_from("<I", content, end + 12)
        struct.pack_into("<I", content, end + 12, (size + growth) % (1 << 32))


ANY: tuple[Mutation, ...] = (flip, overwrite, insert, delete, truncate, behead, splice, zero)
ZIP: tuple[Mutation, ...] = (*ANY, *[header_field] * 6, *[extra_field] * 3)
WAV: tuple[Mutation, ...] = (*ANY, *[chunk_field] * 6)


def mutant(whole: bytes, mutations: tuple[Mutation, ...], rng: random.Random) -> bytes:
    """One to three mutations on top of each other."""
    content = bytearray(whole)
    chosen = rng.choices(mutations, k=rng.choice((1, 1, 2, 3)))
    # What the others leave may have no headers any more.
    for mutation in sorted(chosen, key=lambda mutation: mutation in ANY):
        if len(content) > 1:
            mutation(content, rng)
    return bytes(content)


def archive(members: Mapping[str, bytes], method: int) -> bytes:
    """A zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return file.getvalue()


def renamed(members: Mapping[str, bytes], method: int, name: str, rng: random.Random) -> bytes:
    """An archive one of whose members has another name, as no honest program would write it."""
    placeholder = "N" * len(name.encode())
    chosen = rng.choice(list(members))
    content = archive({placeholder if m == chosen else m: members[m] for m in members}, method)
    content = content.replace(placeholder.encode(), name.encode())
    if rng.random() < 0.5:
        content = content.replace(b"PK\1\2\x14\x03\x14\0\0\0", b"PK\1\2\x14\x03\x14\0\0\x08")
    return content


def data_chunk(wav: bytes) -> bytes:
    """Content of a wav file's data chunk, read without libsndfile."""
    position = 12
    while position + 8 <= len(wav):
        name, size = wav[position : position + 4], struct.unpack_from("<I", wav, position + 4)[0]
        if name == b"data":
            return wav[position + 8 : position + 8 + size]
        position += 8 + size + size % 2
    raise ValueError("no data chunk")
