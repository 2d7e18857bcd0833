"""Renders the clips and writes the zip archives: `simulate` is the package's entry point."""

from __future__ import annotations

import csv
import difflib
import io
import re
import wave
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tfds_dcase.bars import progress_bar
from tqdm import tqdm

from asd_jax.simulation.archives import Recording, SimulationSize, archives, section_name
from asd_jax.simulation.catalogue import Roster, rosters
from asd_jax.simulation.scene import Unit, clip, stream, unit
from asd_jax.simulation.sources import SAMPLE_RATE, Wave

GROUND_TRUTH = "ground_truth.csv"
_COLUMNS = ("machine_type", "file_name", "section", "domain", "label", "attributes")
# A fixed date makes the same seed give the same bytes.
_DATE = (2020, 1, 1, 0, 0, 0)


def simulate(
    dataset: str,
    output: str | Path,
    size: SimulationSize | None = None,
    machine_types: Sequence[str] = (),
    stages: Sequence[str] = ("dev",),
    seconds: float | None = None,
    snr_db: float = 3.0,
    seed: int = 0,
    progress: bool = False,
) -> dict[Path, int]:
    """Writes simulated machines as zip archives in the official layout of a year.

    The same arguments give byte-identical archives, and a larger `size` only adds clips. For
    evaluation test archives a `ground_truth.csv` is written beside them. Archives that exist are
    replaced, each at once when it is complete.

    Args:
      dataset: `dcase2020` to `dcase2026` (or the year alone).
      output: folder of the archives; created where missing.
      size: clips and sections; the demo size by default.
      machine_types: a subset of the year's machine types; empty = all.
      stages: any of `dev` and `eval`.
      seconds: clip length; the official length of each machine type by default.
      snr_db: mean ratio of machine to factory noise, dB.
      seed: another seed gives other machines and other clips.
      progress: shows a progress bar.

    Returns:
      The archives written and the number of clips in each.

    Raises:
      ValueError: unknown data set, machine type or stage, a clip length below 1 s, or a foreign
        `ground_truth.csv` in the way.
    """
    year = _year(dataset)
    if seconds is not None and seconds < 1.0:
        raise ValueError(f"seconds={seconds}: a clip needs at least 1 s")
    batches = _batches(year, size or SimulationSize(), machine_types, stages, seconds)
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    hidden = [batch for batch in batches if batch.hidden]
    # Read first: a foreign file stops the run before minutes of rendering.
    truth = _kept_truth(output / GROUND_TRUTH, hidden) if hidden else []
    total = sum(len(batch.recordings) for batch in batches)
    with progress_bar(total=total, unit="clip", desc="simulating", disable=not progress) as bar:
        for batch in batches:
            _write(output / batch.name, batch, snr_db, seed, bar)
    if hidden:
        truth += [_truth(batch, recording) for batch in hidden for recording in batch.recordings]
        _write_truth(output / GROUND_TRUTH, truth)
    return {output / batch.name: len(batch.recordings) for batch in batches}


@dataclass(frozen=True)
class _Batch:
    """One archive to write."""

    name: str
    year: int
    machine_type: str
    roster: Roster
    recordings: list[Recording]
    samples: int

    @property
    def hidden(self) -> bool:
        """Whether the names hide the labels, as in every evaluation test archive."""
        return self.name.startswith("eval") and self.recordings[0].part == "test"


def _year(dataset: str) -> int:
    match = re.fullmatch(r"(?:dcase)?(\d{4})", dataset)
    if match is None:
        raise ValueError(f"unknown dataset {dataset!r}: write it as dcase2020")
    return int(match[1])


def _batches(
    year: int,
    size: SimulationSize,
    machine_types: Sequence[str],
    stages: Sequence[str],
    seconds: float | None,
) -> list[_Batch]:
    table = rosters(year)
    _check("stage", stages, table)
    known = sorted({name for stage in table.values() for name in stage})
    _check("machine type", machine_types, known)
    found = []
    for stage in stages:
        for machine_type, roster in table[stage].items():
            if machine_types and machine_type not in machine_types:
                continue
            samples = round((seconds or roster.seconds) * SAMPLE_RATE)
            for name, clips in archives(year, machine_type, stage, roster, size).items():
                if clips:
                    found.append(_Batch(name, year, machine_type, roster, clips, samples))
    if not found:
        raise ValueError(f"no {', '.join(machine_types)} in stages {', '.join(stages)} of {year}")
    return found


def _check(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    known = list(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ValueError(f"unknown {what} {name!r}: {hint}choose from {', '.join(known)}")


def _write(path: Path, batch: _Batch, snr_db: float, seed: int, bar: tqdm) -> None:
    units = {
        section: unit(
            seed,
            batch.year,
            batch.machine_type,
            section,
            batch.roster.first_rank + i,
            batch.roster.channels,
        )
        for i, section in enumerate(batch.roster.sections)
    }
    # Stored, not deflated: noise shrinks by 13 % only and would take a third of the time.
    with _replacing(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        if batch.year >= 2022 and not batch.hidden:
            for section in sorted({r.section for r in batch.recordings}):
                name = f"{batch.machine_type}/attributes_{section:02d}.csv"
                archive.writestr(zipfile.ZipInfo(name, _DATE), _attributes(batch, section))
        for recording in batch.recordings:
            wave_ = _render(batch, recording, units[recording.section], snr_db, seed)
            archive.writestr(zipfile.ZipInfo(recording.path, _DATE), _wav(wave_))
            bar.update()


def _render(batch: _Batch, recording: Recording, where: Unit, snr_db: float, seed: int) -> Wave:
    condition, label = recording.condition, recording.label
    names = (recording.section, condition.domain, recording.part, label, recording.index)
    rng = stream(seed, batch.year, batch.machine_type, *names)
    anomalous = label == "anomaly"
    return clip(where, condition, anomalous, recording.index, batch.samples, snr_db, rng)


def _wav(samples: Wave) -> bytes:
    """A 16-bit RIFF file of `[channels, samples]` int16."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(len(samples))
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.T.tobytes())
    return buffer.getvalue()


def _attributes(batch: _Batch, section: int) -> str:
    """The section's official `attributes_SS.csv`."""
    rows = []
    for recording in batch.recordings:
        if recording.section == section:
            cells = recording.condition.attributes.split("_")
            # `noAttribute` is a cell alone; a table has keys and values in pairs.
            rows.append([recording.path, *cells, *[""] * (len(cells) % 2)])
    pairs = (len(rows[0]) - 1) // 2
    header = ["file_name", *(f"d{n}{part}" for n in range(1, pairs + 1) for part in "pv")]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def _kept_truth(path: Path, batches: Sequence[_Batch]) -> list[dict[str, str]]:
    """Rows of an existing ground truth that belong to machine types not written now."""
    if not path.exists():
        return []
    written = {batch.machine_type for batch in batches}
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != _COLUMNS:
            raise ValueError(f"{path} is not a ground truth of the simulator: move it away")
        return [row for row in reader if row["machine_type"] not in written]


def _write_truth(path: Path, rows: list[dict[str, str]]) -> None:
    """Writes the labels that the names of evaluation clips hide."""
    with _replacing(path) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: (row["machine_type"], row["file_name"])))


def _truth(batch: _Batch, recording: Recording) -> dict[str, str]:
    values = (
        batch.machine_type,
        recording.path.rpartition("/")[2],
        section_name(batch.year, recording.section),
        recording.condition.domain,
        recording.label,
        recording.condition.attributes,
    )
    return dict(zip(_COLUMNS, values, strict=True))


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A temporary path that takes the place of `path` when the block ends without an error."""
    # A fixed name: the rest of a killed run is overwritten, not collected.
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
