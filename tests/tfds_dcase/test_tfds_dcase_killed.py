"""A build that is killed or runs out of disk leaves the earlier dataset or none, and can be repeated."""

import dataclasses
import errno
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tfds_dcase
from tfds_dcase.verification import verify

from tests.tfds_dcase.fan_archives import (
    SECOND,
    anomalous_clip,
    noise,
    pack,
    training_clip,
)

TRAINING_CLIPS = 40
EARLIER, LATER = 100, 200

# Builds in forks of one process: the imports take longer than a build. A line on its input is when
# to kill: after so many seconds, or before the so-manieth change of the file system. It answers with
# the exit status, the seconds, the number of changes and which of them were renamings.
BUILDS = """
import os, signal, sys, time, tfds_dcase
archives, data_dir = sys.argv[1:]
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate")
def count(event, arguments):
    if event in CHANGES or event == "open" and isinstance(arguments[2], int) and arguments[2] & 3:
        changes.append(event)
        if len(changes) == last:
            os.kill(os.getpid(), signal.SIGKILL)
for line in sys.stdin:
    kind, moment = line.split()
    begin, (reading, writing) = time.perf_counter(), os.pipe()
    child = os.fork()
    if not child:
        changes, last = [], int(moment) if kind == "change" else -1
        sys.addaudithook(count)
        tfds_dcase.prepare(2020, archives, data_dir, rebuild=True)
        renamings = [n for n, event in enumerate(changes, 1) if event == "os.rename"]
        os.write(writing, " ".join(map(str, [len(changes), *renamings])).encode())
        os._exit(0)
    if kind == "seconds":
        time.sleep(float(moment))
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.close(writing)
    print(status, time.perf_counter() - begin, os.read(reading, 999).decode(), flush=True)
    os.close(reading)
"""


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a build ended; a killed one tells neither changes nor renamings."""

    status: int
    seconds: float
    changes: int
    renamings: tuple[int, ...]

    def moments(self, rng: random.Random) -> list[tuple[str, float]]:
        """When to kill: at random, and on both sides of each renaming."""
        by_time = [("seconds", round(rng.uniform(0.02, self.seconds), 3)) for _ in range(4)]
        at = {n + side for n in self.renamings for side in (0, 1)}
        at |= {rng.randint(1, self.changes) for _ in range(4)}
        return [*by_time, *(("change", n) for n in sorted(at) if n <= self.changes)]


class Builds:
    """Builds a dataset again and again, and kills some of the builds."""

    def __init__(self, archives: Path, data_dir: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", BUILDS, str(archives), str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def build(self, kind: str = "never", moment: float = 0) -> Ended:
        assert self._process.stdin
        assert self._process.stdout
        print(kind, moment, file=self._process.stdin, flush=True)
        status, seconds, *counts = self._process.stdout.readline().split()
        changes, *renamings = map(int, counts or ["0"])
        return Ended(int(status), float(seconds), changes, tuple(renamings))

    def close(self) -> None:
        self._process.communicate()
        assert self._process.returncode == 0


def write_archive(folder: Path, seed: int) -> Path:
    clips = {training_clip(n): noise(seed + n, 10 * SECOND) for n in range(TRAINING_CLIPS)}
    clips |= {anomalous_clip(n): noise(seed + 50 + n, 10 * SECOND) for n in range(20)}
    pack(folder / "dev_data_fan.zip", clips)
    return folder


def seed_of(data_dir: Path) -> int | None:
    """Which archive the dataset holds that can be loaded; None where none can. It must be whole."""
    try:
        builder = tfds_dcase.load(2020, data_dir)
    except tfds_dcase.ArchiveError:
        return None
    verified = verify(2020, data_dir)
    assert not verified.faults, str(verified)
    assert [split.clips for split in verified.splits] == [20, TRAINING_CLIPS]
    first = int(builder.as_data_source("dev_train_fan")[0]["waveform"][0])
    (seed,) = [
        seed
        for seed in (EARLIER, LATER)
        if first in {noise(seed + n, 10 * SECOND)[0] for n in range(TRAINING_CLIPS)}
    ]
    return seed


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("archives"), LATER)


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("earlier")
    tfds_dcase.prepare(2020, write_archive(folder / "archives", EARLIER), folder)
    return folder / "tfds_dcase"


@pytest.fixture
def builds(archives: Path, tmp_path: Path) -> Iterator[Builds]:
    started = Builds(archives, tmp_path)
    yield started
    started.close()


def test_a_first_build_killed_at_any_moment_leaves_nothing_or_all(
    builds: Builds, archives: Path, tmp_path: Path
) -> None:
    whole = builds.build()
    assert (whole.status, seed_of(tmp_path)) == (0, LATER)
    killed = 0
    for moment in whole.moments(random.Random(1)):
        shutil.rmtree(tmp_path / "tfds_dcase", ignore_errors=True)
        killed += builds.build(*moment).status == -signal.SIGKILL
        assert seed_of(tmp_path) in (None, LATER), moment
        tfds_dcase.prepare(2020, archives, tmp_path)
        assert seed_of(tmp_path) == LATER, moment
        assert not list(tmp_path.glob("*unfinished*"))
    assert killed >= 10


def test_a_rebuild_killed_at_any_moment_loses_no_dataset(
    builds: Builds, archives: Path, earlier: Path, tmp_path: Path
) -> None:
    shutil.copytree(earlier, tmp_path / "tfds_dcase")
    whole = builds.build()
    assert (whole.status, seed_of(tmp_path)) == (0, LATER)
    killed, left = 0, set()
    for moment in whole.moments(random.Random(2)):
        shutil.rmtree(tmp_path / "tfds_dcase")
        shutil.copytree(earlier, tmp_path / "tfds_dcase")
        killed += builds.build(*moment).status == -signal.SIGKILL
        left.add(seed_of(tmp_path))
        # Nothing to build from: what is there now has outlived the kill.
        tfds_dcase.prepare(2020, tmp_path / "no archives", tmp_path)
        assert seed_of(tmp_path) in (EARLIER, LATER), moment
        assert builds.build().status == 0
        assert seed_of(tmp_path) == LATER, moment
        assert not list(tmp_path.glob("*unfinished*"))
    assert killed >= 10
    # One of the moments lies between the renamings, where nothing loads until the next call.
    assert left == {EARLIER, LATER, None}


# Files can grow no further than a limit: what a full disk is to a build, but also where tests run
# that may not mount one.
FULL = """
import resource, sys, tfds_dcase
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    tfds_dcase.prepare(2020, sys.argv[1], sys.argv[2], rebuild=True)
except (tfds_dcase.ArchiveError, OSError) as error:
    sys.exit(f"told: {error}")
"""


@pytest.mark.parametrize("limit", [100, 5_000_000, 8_000_000])
def test_a_disk_that_is_full_while_records_are_written_is_told_and_keeps_the_earlier_dataset(
    limit: int, archives: Path, earlier: Path, tmp_path: Path
) -> None:
    shutil.copytree(earlier, tmp_path / "tfds_dcase")
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(archives), str(tmp_path), str(limit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert seed_of(tmp_path) == EARLIER
    assert not list(tmp_path.glob("*unfinished*"))
    assert done.returncode == 1
    assert "told: " in done.stderr, done.stderr
    assert "File too large" in done.stderr
    tfds_dcase.prepare(2020, archives, tmp_path, rebuild=True)
    assert seed_of(tmp_path) == LATER


@pytest.mark.parametrize("table", ["clips.csv", "archives.json", "dataset_info.json"])
def test_a_disk_that_is_full_when_a_table_is_written_keeps_the_earlier_dataset(
    table: str, archives: Path, earlier: Path, tmp_path: Path
) -> None:
    shutil.copytree(earlier, tmp_path / "tfds_dcase")
    full: list[str] = []

    def refuse(event: str, arguments: tuple[object, ...]) -> None:
        writing = event == "open" and isinstance(arguments[2], int) and arguments[2] & 3
        if full and writing and full[0] in Path(str(arguments[0])).name:
            raise OSError(errno.ENOSPC, "No space left on device", arguments[0])

    sys.addaudithook(refuse)
    full.append(table)
    with pytest.raises((OSError, tfds_dcase.ArchiveError), match="No space left on device"):
        tfds_dcase.prepare(2020, archives, tmp_path, rebuild=True)
    full.clear()
    assert seed_of(tmp_path) == EARLIER
    assert not list(tmp_path.glob("*unfinished*"))
