"""Fixtures for all tests: where the reference data lie, and tiny experiments that train in seconds."""

import dataclasses
import functools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jax
import pytest
import tfds_dcase
from absl import flags
from tfds_dcase_command import invocation

from asd_jax import cli
from asd_jax.config import EvaluationConfig, Experiment, TrainingConfig
from asd_jax.data.windows import WindowPolicy
from asd_jax.detectors.stgram_mfn import STgramMFNConfig
from asd_jax.features.logmel import LogMel
from asd_jax.simulation import SimulationSize, simulate

REPOSITORY = Path(__file__).parents[1]

Prepare = Callable[..., str]
Launch = Callable[..., subprocess.Popen[str]]
Command = Callable[..., "Finished"]


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the reference data; the test is skipped where it is absent."""
    folder = Path(os.environ.get("ASD_SHARED", REPOSITORY.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no reference data in {folder} (set ASD_SHARED)")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _parsed_flags() -> None:
    # Grain reads absl flags, which only a launcher's main parses.
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()


@pytest.fixture(scope="session", autouse=True)
def compilation_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all workers and the programs that they start keep compiled code: the same step is compiled once."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "compiled"
    folder.mkdir(exist_ok=True)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    return folder


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepare:
    """Gives the data_dir of a small simulated dataset, prepared once.

    Called as `prepared("dcase2020", ["fan"], ["dev"], SimulationSize(...), seconds)`; the last three may be left out.
    """

    @functools.cache
    def build(
        dataset: str,
        machine_types: tuple[str, ...],
        stages: tuple[str, ...],
        size: SimulationSize,
        seconds: float,
    ) -> str:
        folder = tmp_path_factory.mktemp(dataset)
        simulate(dataset, folder / "archives", size, machine_types, stages, seconds=seconds)
        tfds_dcase.prepare(dataset, folder / "archives", folder)
        return str(folder)

    small = SimulationSize(sections=2, train=6, test_normal=2, test_anomaly=2)

    def prepare(
        dataset: str,
        machine_types: list[str],
        stages: tuple[str, ...] = ("dev",),
        size: SimulationSize = small,
        seconds: float = 1.0,
    ) -> str:
        return build(dataset, tuple(machine_types), tuple(stages), size, seconds)

    return prepare


@pytest.fixture(scope="session")
def tiny() -> Experiment:
    """STgram-MFN with every stage of the real one and next to no channels, on half-second windows."""
    detector = STgramMFNConfig(
        clip=WindowPolicy(samples=8000, training="random", evaluation="all"),
        features=dataclasses.replace(LogMel.stgram(), n_fft=512, hop=256, n_mels=32),
        width=8,
        stages=((2, 8, 1, 2),),
        head_channels=16,
        embedding=8,
        learning_rate=1e-3,
        hold_epochs=1,
    )
    return Experiment(
        "tiny",
        detector,
        training=TrainingConfig(epochs=2, batch_size=8, log_every=1),
        evaluation=EvaluationConfig(batch_size=8),
    )


@pytest.fixture
def launch(compilation_cache: Path) -> Launch:
    """Starts a launcher: `launch("train.py", "--config=...", cwd=..., env={...})`; output goes to pipes."""

    def start(
        name: str, *arguments: str, cwd: Path | None = None, env: dict[str, str] | None = None
    ) -> subprocess.Popen[str]:
        cache = {
            "JAX_COMPILATION_CACHE_DIR": str(compilation_cache),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
        }
        return subprocess.Popen(
            [sys.executable, str(REPOSITORY / "launch" / name), *arguments],
            cwd=cwd or REPOSITORY,
            env=os.environ | cache | (env or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@dataclasses.dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str

    def communicate(self, timeout: float = 0) -> tuple[str, str]:
        """As of a process."""
        return self.stdout, self.stderr


@pytest.fixture
def command(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `asd` in this process: `command("train", "--config=...", cwd=...)`; gives status and output.

    A name may be that of a launcher, too: `train.py`.
    """
    of_file = {file: name for name, file in cli.LAUNCHERS.items()}

    def run(name: str, *arguments: str, cwd: Path | None = None) -> Finished:
        name = of_file.get(name, name)
        with monkeypatch.context() as changed:
            changed.chdir(cwd or REPOSITORY)
            changed.setattr(sys, "argv", ["asd", name, *arguments])
            changed.setattr(invocation, "_called", "")
            capfd.readouterr()
            with pytest.raises(SystemExit) as stop:
                cli.main([name, *arguments])
            status = int(stop.value.code or 0)
        output, errors = capfd.readouterr()
        return Finished(status, output, errors)

    return run


@pytest.fixture
def config_file(tmp_path: Path) -> Callable[[Experiment], Path]:
    """Writes an experiment as a file for a launcher's --config."""

    def write(experiment: Experiment) -> Path:
        path = tmp_path / f"{experiment.name}.py"
        path.with_suffix(".json").write_text(experiment.to_json())
        path.write_text(
            "from pathlib import Path\n\nfrom asd_jax.config import Experiment\n\n\n"
            "def get_config() -> Experiment:\n"
            '    return Experiment.from_json(Path(__file__).with_suffix(".json").read_text())\n'
        )
        return path

    return write
