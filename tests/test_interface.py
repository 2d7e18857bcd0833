"""The Python interface gives what the commands give."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import asd_jax
from asd_jax.config import Experiment, override
from asd_jax.inference.decisions import FileScore
from asd_jax.inference.run import FileScoring


@pytest.fixture(scope="module")
def run(tiny: Experiment, prepared: Any, tmp_path_factory: pytest.TempPathFactory) -> asd_jax.Run:
    data_dir = prepared("dcase2020", ["fan", "valve"])
    settings = [f"data.data_dir={data_dir}", "training.epochs=1"]
    return asd_jax.train(tiny, tmp_path_factory.mktemp("interface") / "run", settings)


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.05, 20_000).astype(np.float32)


def test_paths_and_waveforms_score_alike(
    run: asd_jax.Run, noise: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "new.wav"
    soundfile.write(path, noise, 16000, subtype="FLOAT")
    both = run.score([path, noise], FileScoring(machine_type="fan", section="id_00"))
    assert all(isinstance(one, FileScore) for one in both)
    first, second = both
    assert isinstance(first, FileScore)
    assert isinstance(second, FileScore)
    assert first.score == second.score
    assert (Path(first.file).name, Path(second.file).name) == ("new.wav", "waveform_1.wav")
    assert 0 < first.p_value <= 1


def test_embeddings_tell_recordings_apart_and_keep_their_order(
    run: asd_jax.Run, noise: np.ndarray
) -> None:
    louder = np.rint(noise * 2 * 32768).astype(np.int16)
    embedded = run.embed([noise, louder, noise], machine_type="fan")
    assert embedded.dtype == np.float32
    assert len(embedded) == 3
    np.testing.assert_array_equal(embedded[0], embedded[2])
    assert np.abs(embedded[0] - embedded[1]).max() > 0


def test_an_explanation_has_the_recordings_frames(run: asd_jax.Run, noise: np.ndarray) -> None:
    (explained,) = run.explain([noise], machine_type="valve")
    features = run.experiment.detector.features  # type: ignore[attr-defined]
    assert len(explained.log_mel) == features.frames(len(noise))
    assert explained.relevance is not None
    assert explained.relevance.shape == explained.log_mel.shape
    assert np.isfinite(explained.relevance).all()


def test_an_evaluation_is_that_of_the_command(run: asd_jax.Run, command: Any) -> None:
    results = asd_jax.evaluate(run.workdir)
    assert results is not None
    assert results.text in command("evaluate", f"--workdir={run.workdir}").stdout


def test_a_training_is_extended_only_where_it_is_said(run: asd_jax.Run, tiny: Experiment) -> None:
    """More epochs go on from the last checkpoint; nothing else may change, and not to fewer."""
    data = run.experiment.data
    more = [f"data.data_dir={data.data_dir}", "training.epochs=2"]
    with pytest.raises(ValueError, match=r"training\.epochs was 1, is 2.*--extend goes on"):
        asd_jax.train(tiny, run.workdir, more)
    with pytest.raises(ValueError, match=r"training\.seed was 0, is 1"):
        asd_jax.train(tiny, run.workdir, [*more, "training.seed=1"], extend=True)
    with pytest.raises(ValueError, match="has 1 epochs: to extend it"):
        asd_jax.train(tiny, run.workdir, [more[0], "training.epochs=0"], extend=True)
    with pytest.raises(ValueError, match="holds no training to extend"):
        asd_jax.train(tiny, run.workdir.with_name("none"), more, extend=True)
    before = {path.name for path in (run.workdir / "models/all/checkpoints").iterdir()}
    extended = asd_jax.train(tiny, run.workdir, more, extend=True)
    after = {path.name for path in (run.workdir / "models/all/checkpoints").iterdir()}
    assert extended.experiment == override(run.experiment, ["training.epochs=2"])
    assert max(map(int, after)) == 2 * max(map(int, before))


def test_what_is_no_waveform_is_told(run: asd_jax.Run) -> None:
    with pytest.raises(ValueError, match=r"waveform 0 is int64: give float"):
        run.score([np.zeros(16000, np.int64)])


def test_the_package_is_imported_without_jax() -> None:
    code = "import sys, asd_jax; print(asd_jax.__version__, 'jax' in sys.modules, 'train' in dir(asd_jax))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [asd_jax.__version__, "False", "True"]
    with pytest.raises(AttributeError, match="no attribute 'training_of'"):
        getattr(asd_jax, "training_of")  # noqa: B009
