"""Tables beside the audio: the evaluation clips' ground truth and the attributes CSV."""

import csv
import dataclasses
import importlib.resources
import io
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from tfds_dcase.errors import Faults
from tfds_dcase.layouts import DOMAINS, LABELS

COLUMNS = ("machine_type", "file_name", "section", "domain", "label", "attributes")


@dataclasses.dataclass(frozen=True)
class Truth:
    """What a table or a dataset knows of a clip whose name hides it; empty for what it does not tell."""

    domain: str = "unknown"
    label: str = "unknown"
    attributes: str = ""
    section: str = ""


@dataclasses.dataclass(frozen=True)
class GroundTruth:
    """Truths by machine type and file name."""

    truths: Mapping[tuple[str, str], Truth]

    def of(self, machine_type: str, file_name: str) -> Truth:
        """The clip's truth; all unknown for a clip that is not in the table."""
        return self.truths.get((machine_type, file_name), Truth())


def read_ground_truth(config: str, own_table: Path | None, faults: Faults) -> GroundTruth:
    """Reads the user's own table where there is one, else the year's packaged one, if it is out.

    The user's table replaces the packaged one whole: other recordings under official names must
    never get official labels.

    Args:
        config: The year, `dcase2020`.
        own_table: `ground_truth.csv` beside the archives, or None.
        faults: Takes what is wrong with the user's table.
    """
    if own_table:
        try:
            text = own_table.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            faults.add(own_table.name, f"cannot be read ({error})", "Save it as UTF-8, readable")
            return GroundTruth({})
        return _ground_truth(own_table.name, text, faults)
    packaged = importlib.resources.files("tfds_dcase") / "ground_truth" / f"{config}_eval.csv"
    if not packaged.is_file():
        return GroundTruth({})
    return _ground_truth(packaged.name, packaged.read_text(encoding="utf-8"), faults)


def _ground_truth(table: str, text: str, faults: Faults) -> GroundTruth:
    rows = csv.DictReader(io.StringIO(text))
    if missing := set(COLUMNS) - set(rows.fieldnames or ()):
        cure = f"Its first line must be {','.join(COLUMNS)}"
        faults.add(table, f"lacks the columns {', '.join(sorted(missing))}", cure)
        return GroundTruth({})
    truths: dict[tuple[str, str], Truth] = {}
    for row in rows:
        truth = Truth(
            row["domain"] or "unknown", row["label"] or "unknown", row["attributes"] or ""
        )
        key = (row["machine_type"], row["file_name"])
        where = f"{table}: line {rows.line_num}"
        if truth.domain not in DOMAINS or truth.label not in LABELS:
            cure = f"Domains are {', '.join(DOMAINS)}, labels {', '.join(LABELS)}"
            faults.add(where, f"domain {truth.domain!r}, label {truth.label!r}", cure)
        elif truths.get(key, truth) != truth:
            faults.add(where, f"contradicts an earlier line on {key}", "Keep the right one")
        truths[key] = truth
    return GroundTruth(truths)


def read_attributes(archive: str, tables: Mapping[str, bytes], faults: Faults) -> dict[str, str]:
    """Reads `attributes_SS.csv` members: `file_name,d1p,d1v[,d2p,d2v...]`.

    Args:
        archive: The archive's name, for messages.
        tables: Content of the CSV files by member path.
        faults: Takes what is wrong with them.

    Returns:
        Attributes as file names spell them (`vel_21_mic_1`) by the clip's base name; clips without
        attributes are left out.
    """
    attributes: dict[str, str] = {}
    for member, content in tables.items():
        rows = _table(content)
        if not rows or rows[0][:1] != ["file_name"]:
            cure = "Its first line must be file_name,d1p,d1v; or remove the file from the archive"
            faults.add(f"{archive}: {member}", "is no attributes table", cure)
            continue
        for row in rows[1:]:
            if row and (pairs := _pairs(row[1:])):
                attributes[PurePosixPath(row[0]).name] = "_".join(pairs)
    return attributes


def _table(content: bytes) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
    except (UnicodeDecodeError, csv.Error):
        return []


def _pairs(cells: Iterable[str]) -> list[str]:
    filled = [cell.strip() for cell in cells]
    return [cell for cell in filled if cell not in ("", "noAttribute")]
