"""Reads the names in archives: which clips there are and what their names tell.

Only central directories are read, so that a misnamed archive is reported before any audio is.
"""

import collections
import dataclasses
import re
import stat
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from tfds_dcase.archives import DAMAGE, Archive, Fingerprint, Found, fingerprints
from tfds_dcase.errors import Faults
from tfds_dcase.labels import GroundTruth, Truth, read_attributes, read_ground_truth
from tfds_dcase.layouts import LAYOUTS, YearLayout

# Half an hour of 16 kHz audio: more than any clip, small enough to read in one go.
_LARGEST_CLIP = 64 << 20
_LARGEST_TABLE = 4 << 20
_IGNORED_SUFFIXES = {".txt", ".md", ".pdf", ".csv", ".json"}
_IGNORED_NAMES = {"LICENSE", "LICENCE", "README", "Thumbs.db"}
_ATTRIBUTES = re.compile(r"attributes_\d{2}\.csv")


@dataclasses.dataclass(frozen=True)
class Clip:
    """A clip with all that is known of it before its audio is read.

    Attributes:
        archive: The zip archive; of own recordings the folder.
        member: The clip's path in it.
        size: Bytes of the wav file; of own recordings those of the waveform that comes of it.
        clip_id: Stable name, `dcase2020/dev/fan/train/normal_id_00_00000000.wav`.
        split: `dev_train_fan`.
    """

    archive: Path
    member: str
    size: int
    clip_id: str
    split: str
    machine_type: str
    section: str
    domain: str
    label: str
    attributes: str

    @property
    def file_name(self) -> str:
        """Base name of the wav file."""
        return PurePosixPath(self.member).name

    @property
    def where(self) -> str:
        """The place for messages."""
        return f"{self.archive.name}: {self.member}"


@dataclasses.dataclass(frozen=True)
class Scan:
    """The clips of all archives, or of a folder of own recordings.

    Attributes:
        clips: All of them.
        notes: Remarks for the user.
        files: What they were found in, as it was then.
        absent: Archives of the year that are not there.
    """

    clips: tuple[Clip, ...]
    notes: tuple[str, ...]
    files: tuple[Fingerprint, ...] = ()
    absent: tuple[str, ...] = ()


def scan_archives(layout: YearLayout, found: Found) -> Scan:
    """Reads every archive's central directory.

    Raises:
        ArchiveError: lists all faults in archives, member names and tables of labels.
    """
    faults = Faults()
    truth = read_ground_truth(layout.config, found.ground_truth, faults)
    clips: list[Clip] = []
    notes: list[str] = []
    for archive in found.archives:
        scanned = _scan_archive(layout, archive, truth, faults)
        clips += scanned.clips
        notes += scanned.notes
    faults.raise_if_any(f"archives of {layout.config} in {found.folder}")
    return Scan(tuple(clips), tuple(notes), fingerprints(found), found.absent)


def _scan_archive(layout: YearLayout, archive: Archive, truth: GroundTruth, faults: Faults) -> Scan:
    try:
        with zipfile.ZipFile(archive.path) as opened:
            infos = _safe_members(archive, opened.infolist(), faults)
            attributes = read_attributes(
                archive.path.name,
                {
                    info.filename: _unpacked(opened, info)
                    for info in infos
                    if _holds_attributes(info)
                },
                faults,
            )
    except DAMAGE:
        faults.add(archive.path.name, _zip_state(archive.path), archive.cure)
        return Scan((), ())
    except IsADirectoryError:
        cure = "Put the archive's file there in its place, as it was downloaded: it is read without unpacking"
        faults.add(archive.path.name, "is a folder, not a zip archive", cure)
        return Scan((), ())
    except OSError as error:
        cure = "Give yourself the permission to read it, or put the archive's file there"
        faults.add(archive.path.name, f"cannot be read ({error.strerror})", cure)
        return Scan((), ())
    members = [info for info in infos if not _is_ignored(info)]
    if _misplaced(layout, archive, members, faults):
        return Scan((), ())
    parsed = [_parse(layout, archive, info, truth, faults) for info in members]
    clips = [clip for clip in parsed if clip]
    for name, count in collections.Counter(clip.clip_id for clip in clips).items():
        if count > 1:
            cure = "Keep one of them, or download the archive again"
            faults.add(f"{archive.path.name}: {name}", f"stands there {count} times", cure)
    if len(clips) == len(members):
        _require_train(archive, clips, faults)
    return _with_attributes(archive, clips, attributes)


def _misplaced(
    layout: YearLayout, archive: Archive, infos: Sequence[zipfile.ZipInfo], faults: Faults
) -> bool:
    """Whether clips of the year lie in folders that are not the official ones: one fault a folder."""
    expected = layout.hidden if archive.kind.labels_hidden else layout.labelled
    folders: collections.Counter[str] = collections.Counter()
    for info in infos:
        path = PurePosixPath(_official_path(layout, archive, info.filename))
        official = re.fullmatch(f"{archive.machine_type}/{layout.folders}", str(path.parent))
        foreign = path.parts[0] in layout.machine_types and path.parts[0] != archive.machine_type
        if not official and not foreign and re.fullmatch(expected, path.stem):
            folders[str(path.parent).removeprefix(".")] += 1
    parts = " and ".join(f"{archive.machine_type}/{part}/<clip>.wav" for part in archive.kind.parts)
    for folder, count in sorted(folders.items()):
        place = f"{folder}/" if folder else "no folder"
        faults.add(
            archive.path.name,
            f"{count} clips lie in {place}, which is no folder of the published archive",
            f"Wanted is the layout {parts}. Move the clips, or {archive.cure[0].lower()}{archive.cure[1:]}",
        )
    return bool(folders)


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    with archive.open(info) as member:
        # Without a limit, a member that declares little may fill the memory.
        return member.read(info.file_size)


def _zip_state(path: Path) -> str:
    with path.open("rb") as file:
        begins_as_zip = file.read(4) == b"PK\x03\x04"
    if begins_as_zip:
        return "is a truncated or damaged zip archive (its table of contents cannot be read)"
    return "is not a zip archive"


def _safe_members(
    archive: Archive, infos: Sequence[zipfile.ZipInfo], faults: Faults
) -> list[zipfile.ZipInfo]:
    counts = collections.Counter(_path(info) for info in infos)
    for name, count in counts.items():
        if count > 1:
            cure = "Keep one of them, or download the archive again"
            faults.add(f"{archive.path.name}: {name}", f"duplicate name ({count} times)", cure)
    safe = []
    for info in {_path(info): info for info in infos}.values():
        if fault := _danger(info):
            where = f"{archive.path.name}: {info.orig_filename}"
            faults.add(where, fault, f"Do not trust this archive. {archive.cure}")
        else:
            safe.append(info)
    return safe


def _path(info: zipfile.ZipInfo) -> str:
    # Two spellings of one path, ./fan/a.wav and fan/a.wav, are the same clip.
    return str(PurePosixPath(info.filename))


def _danger(info: zipfile.ZipInfo) -> str | None:
    path = PurePosixPath(info.orig_filename.replace("\\", "/"))
    if path.is_absolute():
        return "has an absolute path, from the root of a disk"
    if not path.parts or ".." in path.parts or ":" in path.parts[0]:
        return "path climbs out of the archive's folder"
    if not info.filename:
        return "has no name"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a symbolic link"
    if info.flag_bits & 0x1:
        return "is encrypted"
    # Python unpacks other methods without a limit, and no published archive uses them.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"is packed by method {info.compress_type}, neither stored nor deflated"
    if info.file_size > (_LARGEST_TABLE if _holds_attributes(info) else _LARGEST_CLIP):
        kind = "table of attributes" if _holds_attributes(info) else "clip"
        return f"is larger ({info.file_size} bytes) than any {kind}"
    return None


def _holds_attributes(info: zipfile.ZipInfo) -> bool:
    name = PurePosixPath(info.filename.replace("\\", "/")).name
    return bool(_ATTRIBUTES.fullmatch(name))


def _is_ignored(info: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(info.filename.replace("\\", "/"))
    return (
        info.is_dir()
        or info.filename.endswith("\\")
        or path.parts[0] == "__MACOSX"
        or path.name.startswith(".")
        or path.name in _IGNORED_NAMES
        or path.suffix.lower() in _IGNORED_SUFFIXES
    )


def _parse(
    layout: YearLayout,
    archive: Archive,
    info: zipfile.ZipInfo,
    truth: GroundTruth,
    faults: Faults,
) -> Clip | None:
    where = f"{archive.path.name}: {info.filename}"
    path = _official_path(layout, archive, info.filename)
    known = _read_name(layout, archive, path)
    if isinstance(known, str):
        faults.add(where, known, _naming_cure(layout, archive, path))
        return None
    file_name = PurePosixPath(path).name
    hidden = truth.of(archive.machine_type, file_name) if archive.kind.labels_hidden else Truth()
    stage = archive.kind.stage
    return Clip(
        archive=archive.path,
        member=info.filename,
        size=info.file_size,
        clip_id=f"{layout.config}/{stage}/{PurePosixPath(path)}",
        split=f"{stage}_{known['part']}_{archive.machine_type}",
        machine_type=archive.machine_type,
        section=known["section"],
        domain=known.get("domain", hidden.domain if layout.has_domains else "source"),
        label=known.get("label", hidden.label),
        attributes=known.get("attributes", hidden.attributes),
    )


def _official_path(layout: YearLayout, archive: Archive, member: str) -> str:
    """A member's path as the official archive has it, where a repacked one differs without doubt.

    Separators of another system, folders above the machine type's or none, and other capitals are put right; any other
    path comes back as it is.
    """
    parts = PurePosixPath(member.replace("\\", "/")).parts
    if not parts:
        return member
    *folders, name = parts
    stem, dot, suffix = name.rpartition(".")
    name = f"{stem}{dot}{suffix.lower()}"
    lowered = [folder.lower() for folder in folders]
    own = archive.machine_type.lower()
    others = {kind.lower() for kind in layout.machine_types} - {own}
    if others & set(lowered):
        return member
    below = folders[len(lowered) - lowered[::-1].index(own) :] if own in lowered else folders
    if own not in lowered:
        # Without the machine type's folder only the part's folder is certain.
        below = below[-1:]
    path = "/".join([archive.machine_type, *(folder.lower() for folder in below), name])
    return path if not isinstance(_read_name(layout, archive, path), str) else member


def _read_name(layout: YearLayout, archive: Archive, member: str) -> dict[str, str] | str:
    """What folder and name tell, or what is wrong with them."""
    expected = layout.hidden if archive.kind.labels_hidden else layout.labelled
    path = PurePosixPath(member)
    if path.parts[0] in layout.machine_types and path.parts[0] != archive.machine_type:
        return f"is a clip of {path.parts[0]} in an archive of {archive.machine_type}"
    folder = re.fullmatch(f"{archive.machine_type}/{layout.folders}", str(path.parent))
    name = re.fullmatch(expected, path.stem)
    if not folder or not name or path.suffix != ".wav":
        return f"fits no clip name of {layout.config}"
    in_folder = {key: value for key, value in folder.groupdict().items() if value}
    in_name = {key: value for key, value in name.groupdict().items() if value}
    for key in in_folder.keys() & in_name.keys():
        if in_folder[key] != in_name[key]:
            return f"name says {key} {in_name[key]}, folder says {in_folder[key]}"
    if in_folder["part"] not in archive.kind.parts:
        return f"is a {in_folder['part']} clip in an archive of {archive.kind.parts[0]} clips"
    if in_folder["part"] == "train" and in_name.get("label") != "normal":
        return "is an anomaly among the training clips"
    if in_name.get("attributes") == "noAttribute":
        del in_name["attributes"]
    return in_folder | in_name


def _naming_cure(layout: YearLayout, archive: Archive, path: str) -> str:
    stem = PurePosixPath(path).stem
    fits_another = any(
        re.fullmatch(pattern, stem)
        for other in LAYOUTS.values()
        for pattern in (other.labelled, other.hidden)
    )
    if not fits_another:
        part = archive.kind.parts[0]
        return (
            f"Wanted is the layout {archive.machine_type}/{part}/<clip>.wav with the official names of the clips, as "
            f"in the published archive. {archive.cure}"
        )
    return (
        "Archives of other years may bear the same name: put those of this year into a folder "
        f"{layout.config} of their own. {archive.cure}"
    )


def _require_train(archive: Archive, clips: Iterable[Clip], faults: Faults) -> None:
    parts = {clip.split.split("_")[1] for clip in clips}
    wanted = archive.kind.parts[0]
    if wanted not in parts:
        faults.add(archive.path.name, f"holds no {wanted} clips", archive.cure)


def _with_attributes(
    archive: Archive, clips: Sequence[Clip], attributes: Mapping[str, str]
) -> Scan:
    completed = []
    disagreeing = 0
    for clip in clips:
        listed = attributes.get(clip.file_name, "")
        disagreeing += bool(listed and clip.attributes and listed != clip.attributes)
        completed.append(dataclasses.replace(clip, attributes=listed or clip.attributes))
    note = (
        f"{archive.path.name}: the attributes CSV and {disagreeing} file names disagree; "
        "the CSV's attributes were taken"
    )
    return Scan(tuple(completed), (note,) if disagreeing else ())
