"""A table that says which recordings are taken and what they are, in place of their names."""

import codecs
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from tfds_dcase.archives import Fingerprint, fingerprint
from tfds_dcase.errors import ArchiveError, Faults
from tfds_dcase.folder_files import Listing, OwnFile, is_named_well, state_of
from tfds_dcase.folder_names import PARTS, SECTION, machine_type_fault, place
from tfds_dcase.layouts import DOMAINS, LABELS
from tfds_dcase.recordings import SUFFIXES
from tfds_dcase.regular_files import require_regular_file

REQUIRED = ("file", "machine_type")
OPTIONAL = ("section", "domain", "label", "part", "attributes")
_CHOICES = {"domain": DOMAINS, "label": LABELS, "part": PARTS}


def list_table(table: Path, folder: Path, machine_types: Sequence[str], faults: Faults) -> Listing:
    """Lists exactly the recordings of a table.

    Args:
        table: CSV file with the columns `file` and `machine_type`, and any of `section`, `domain`,
            `label`, `part` and `attributes`; empty cells count as untold.
        folder: Where the files lie, if they do not lie beside the table.
        machine_types: Take only the rows of these; () takes all.
        faults: Takes what is wrong with the rows, by line.

    Raises:
        ArchiveError: The table cannot be read or lacks a column.
    """
    content = _content(table)
    rows = csv.DictReader(
        io.StringIO(content, newline=""), delimiter=_separator(content), strict=True
    )
    files: list[OwnFile] = []
    lines: dict[Path, int] = {}
    for row in _rows(rows, table):
        where = f"{table.name}: line {rows.line_num}"
        if machine_types and row.get("machine_type") not in machine_types:
            continue
        file = _file(row, where, (folder, table.parent), faults)
        if not file:
            continue
        first = lines.setdefault(file.path.resolve(), rows.line_num)
        if first != rows.line_num:
            faults.add(where, f"{file.member} stands in line {first} already", "Keep one of them")
        files.append(file)
    return Listing(tuple(files), ())


def table_state(table: Path) -> Fingerprint:
    """What tells whether a table has changed: its content, whatever its time."""
    state = fingerprint(table)
    return Fingerprint(state.name, state.size, 0, state.digest)


def _separator(content: str) -> str:
    """What the first line cuts the required columns' names by; a comma where nothing does."""
    first = content.partition("\n")[0]
    for separator in ",;\t|":
        cells = [cell.strip().strip('"') for cell in first.split(separator)]
        if set(REQUIRED) <= set(cells):
            return separator
    return ","


def _content(table: Path) -> str:
    try:
        require_regular_file(table, "a CSV file in UTF-8")
        content = table.read_bytes()
        is_wide = content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
        return content.decode("utf-16" if is_wide else "utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ArchiveError(
            f"table {table} cannot be read ({error}). Name a CSV file in UTF-8"
        ) from error


def _rows(rows: "csv.DictReader[str]", table: Path) -> Iterator[dict[str, str]]:
    """Rows without their empty cells."""
    try:
        columns = [(name or "").strip() for name in rows.fieldnames or ()]
        missing = [name for name in REQUIRED if name not in columns]
        unknown = [name for name in columns if name not in (*REQUIRED, *OPTIONAL)]
        if missing or unknown:
            faulty = f"lacks {', '.join(missing)}" if missing else f"has {', '.join(unknown)}"
            raise ArchiveError(
                f"table {table}: its first line {faulty}. Its columns, between commas, are "
                f"{', '.join(REQUIRED)} and any of {', '.join(OPTIONAL)}"
            )
        rows.fieldnames = columns
        for row in rows:
            # More cells than columns come as a list under no name.
            surplus = row.pop(None, None)
            cells = {name: (cell or "").strip() for name, cell in row.items()}
            if surplus:
                cells["surplus"] = str(surplus)
            yield {name: cell for name, cell in cells.items() if cell}
    except csv.Error as error:
        raise ArchiveError(
            f"table {table} is no CSV behind line {rows.line_num} ({error}). Mend it there"
        ) from error


def _file(
    row: Mapping[str, str], where: str, bases: Sequence[Path], faults: Faults
) -> OwnFile | None:
    known = len(faults.lines)
    for what, cure in _row_faults(row):
        faults.add(where, what, cure)
    member = PurePosixPath(row.get("file", "/"))
    if member.is_absolute() or ".." in member.parts or not is_named_well(str(member), faults):
        return None
    base = next((base for base in bases if (base / member).exists()), None)
    if base is None:
        places = " or ".join(dict.fromkeys(str(base) for base in bases))
        faults.add(where, f"{member} is not in {places}", "Mend the path, or remove the line")
        return None
    if not (base / member).resolve().is_relative_to(base.resolve()):
        cure = "Copy the file there: paths and links must not lead out of it"
        faults.add(where, f"{member} does not lie in {base}", cure)
        return None
    state = state_of(base / member, str(member), faults)
    if state is None or len(faults.lines) > known:
        return None
    told = {name: row[name] for name in OPTIONAL if name in row}
    return OwnFile(base, str(member), row["machine_type"], place(told), state)


def _row_faults(row: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if "surplus" in row:
        yield "has more cells than columns", "Put cells with a comma between quotes"
    for name in REQUIRED:
        if name not in row:
            yield f"has no {name}", "Fill it in, or remove the line"
    if "machine_type" in row and (fault := machine_type_fault(row["machine_type"])):
        yield f"machine_type {row['machine_type']!r} {fault[0]}", fault[1]
    for name, choices in _CHOICES.items():
        if name in row and row[name] not in choices:
            yield f"{name} {row[name]!r}", f"Choose one of {', '.join(choices)}, or leave it empty"
    path = PurePosixPath(row.get("file", ""))
    if path.is_absolute() or ".." in path.parts:
        yield f"file {path} is no path below the folder", "Write it like fan/train/a.wav"
    if "section" in row and not SECTION.fullmatch(row["section"]):
        yield f"section {row['section']!r}", "Write it like section_00 or id_00"
    if "file" in row and path.suffix.lower() not in SUFFIXES:
        yield f"{path} is no recording by its ending", f"Taken are {', '.join(SUFFIXES)}"
