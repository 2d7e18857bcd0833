"""Building a dataset against inflating and writing the same bytes: python -m benchmarks.build

The alternative is what any tool must do at least: one core reads every member of the zip archives and writes it as a
file. Ours decodes, hashes, checks, writes records and reads every one of them back.
"""

import functools
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import tfds_dcase

from asd_jax.simulation import SimulationSize, simulate
from benchmarks.timing import print_rates, take_turns


def main() -> None:
    """Four archives of 10-s clips."""
    with tempfile.TemporaryDirectory() as folder:
        archives = Path(folder) / "archives"
        size = SimulationSize(sections=2, train=270, test_normal=15, test_anomaly=15)
        types = ("fan", "pump", "slider", "valve")
        simulate("dcase2020", Path(folder) / "stored", size=size, machine_types=types)
        _deflate(Path(folder) / "stored", archives)
        phases: dict[str, float] = {}

        def build(data_dir: Path) -> None:
            begin = time.perf_counter()

            def note(phase: str, done: int, total: int, size: int) -> None:
                phases[phase] = time.perf_counter() - begin

            tfds_dcase.prepare("dcase2020", archives, data_dir, progress=note)

        contestants = {
            "asd_jax: records, all of them read back": _afresh(build, Path(folder)),
            "zipfile: inflate and write files, one core": _afresh(
                functools.partial(_unpack, archives), Path(folder)
            ),
        }
        seconds = take_turns(contestants, rounds=5)
        built = tfds_dcase.prepare("dcase2020", archives, folder)
        index = tfds_dcase.read_index(built.data_path)
        stored = sum(path.stat().st_size for path in Path(built.data_path).glob("*array_record*"))
        packed = sum(path.stat().st_size for path in archives.glob("*.zip"))
    waveforms = 2 * sum(clip.samples for clip in index)
    print_rates(f"{len(index)} clips of 10 s from zip archives", "clips/s", len(index), seconds)
    written, checked = phases["reading"], phases["checking"]
    print(f"  records stood after {written:.2f} s and were checked after {checked:.2f} s")
    bytes_a_clip = {"waveform": waveforms, "records": stored, "zip": packed}
    print("  bytes a clip:", {name: size // len(index) for name, size in bytes_a_clip.items()})


def _afresh(write: Callable[[Path], None], folder: Path) -> Callable[[], None]:
    """Writes into a new folder each time and removes it: nobody finds pages of its own in the cache."""

    def run() -> None:
        with tempfile.TemporaryDirectory(dir=folder) as fresh:
            write(Path(fresh))

    return run


def _deflate(stored: Path, archives: Path) -> None:
    """Packs the archives again as published ones are packed."""
    archives.mkdir()
    for path in sorted(stored.glob("*.zip")):
        with zipfile.ZipFile(path) as source:
            with zipfile.ZipFile(archives / path.name, "w", zipfile.ZIP_DEFLATED) as target:
                for member in source.namelist():
                    target.writestr(member, source.read(member))


def _unpack(archives: Path, folder: Path) -> None:
    for path in sorted(archives.glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                target = folder / member
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(member))


if __name__ == "__main__":
    main()
