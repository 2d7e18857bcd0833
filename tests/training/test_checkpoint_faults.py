"""What is said of a checkpoint that cannot be restored: damaged only where its bytes show it."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import grain
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from asd_jax.detectors.base import TrainState
from asd_jax.training.checkpoints import Checkpoints
from asd_jax.training.mesh import data_mesh

STEPS = (4, 8)
SETTINGS = {"detector": {"class": "module:Small", "width": 3}, "training": {"seed": 1}}


def state(step: int = 0, width: int = 3) -> TrainState:
    params = {"level": jnp.arange(float(width)), "table": jnp.linspace(0.0, 1.0, 2000)}
    count = jnp.asarray(step, jnp.int32)
    return TrainState(
        count, jax.random.key(1), params, {"heard": jnp.ones(2)}, optax.adam(0.1).init(params)
    )


def iterator() -> grain.DatasetIterator:
    return iter(grain.MapDataset.range(10).repeat().batch(2).to_iter_dataset())


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    with Checkpoints(folder, configuration=json.dumps(SETTINGS)) as checkpoints:
        for step in STEPS:
            checkpoints.save(state(step), iterator())
    return folder


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "checkpoints"))


def restore(folder: Path, like: TrainState | None = None, asked: dict | None = None) -> TrainState:
    with Checkpoints(folder, asked=json.dumps(asked or SETTINGS)) as checkpoints:
        return checkpoints.restore(like or state(), data_mesh(), iterator())


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def largest(folder: Path) -> Path:
    return max(
        (path for path in folder.rglob("*") if path.is_file()), key=lambda p: p.stat().st_size
    )


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x40
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "state/manifest.ocdbt cut": lambda step: halve(step / "state" / "manifest.ocdbt"),
    "state/manifest.ocdbt gone": lambda step: (step / "state" / "manifest.ocdbt").unlink(),
    "state/manifest.ocdbt empty": lambda step: os.truncate(step / "state" / "manifest.ocdbt", 0),
    "state/_METADATA cut": lambda step: halve(step / "state" / "_METADATA"),
    "state/_METADATA gone": lambda step: (step / "state" / "_METADATA").unlink(),
    "numbers cut": lambda step: halve(largest(step / "state")),
    "numbers changed": lambda step: flip(largest(step / "state")),
    "numbers gone": lambda step: largest(step / "state").unlink(),
    "state gone": lambda step: shutil.rmtree(step / "state"),
    "iterator cut": lambda step: halve(step / "iterator" / "process_0-of-1.json"),
    "iterator gone": lambda step: shutil.rmtree(step / "iterator"),
}


def test_whole_checkpoints_come_back(saved: Path) -> None:
    restored = restore(saved)
    assert int(restored.step) == 8
    np.testing.assert_array_equal(restored.params["table"], state().params["table"])


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_named_with_the_whole_checkpoint_before(damage: str, copy: Path) -> None:
    """And following the cure works."""
    DAMAGES[damage](copy / "8")
    cure = r"checkpoints/8 is damaged \(.+\): delete this folder, and training goes on from the checkpoint of step 4"
    with pytest.raises(ValueError, match=cure):
        restore(copy)
    shutil.rmtree(copy / "8")
    assert int(restore(copy).step) == 4


@pytest.mark.parametrize("damage", ["numbers cut", "iterator gone"])
def test_without_a_whole_checkpoint_nothing_is_to_be_deleted(damage: str, copy: Path) -> None:
    for step in STEPS:
        DAMAGES[damage](copy / str(step))
    with pytest.raises(ValueError, match=r"8 is damaged \(.+\): no earlier one is whole") as raised:
        restore(copy)
    assert "delete" not in str(raised.value)


# What is asked for of a whole checkpoint, and the difference that is named.
OTHERS = [
    ({"width": 5}, {"detector": {"width": 5}}, r"\(detector\.width was 3, is 5\)"),
    ({"width": 5}, {"detector": {"class": "module:Big"}}, r"\(detector\.class was .*Small.*Big"),
    ({"width": 5}, {}, r"\(optimizer\.0\.mu\.level is \[3\] there, \[5\] here, .*params\.level"),
]


@pytest.mark.parametrize(("changes", "asked", "message"), OTHERS)
def test_another_network_is_no_damage(changes: dict, asked: dict, message: str, copy: Path) -> None:
    """The settings that differ are named, or else the arrays; nothing is to be deleted."""
    with pytest.raises(
        ValueError, match=rf"8 is whole, but of another network {message}"
    ) as raised:
        restore(copy, state(**changes), asked)
    assert "delete" not in str(raised.value)
    assert "damaged" not in str(raised.value)
    assert int(restore(copy).step) == 8


def test_another_number_of_processes_is_no_damage(copy: Path) -> None:
    file = copy / "8" / "iterator" / "process_0-of-1.json"
    file.rename(file.with_name("process_0-of-2.json"))
    with pytest.raises(ValueError, match=r"8 is whole, but was saved by a training of 2 processes"):
        restore(copy)


def test_what_is_not_needed_does_not_count(copy: Path) -> None:
    """Scoring needs no iterator; the saved configuration is for messages."""
    DAMAGES["iterator gone"](copy / "8")
    halve(copy / "8" / "configuration" / "metadata")
    with Checkpoints(copy) as checkpoints:
        assert int(checkpoints.restore(state(), data_mesh()).step) == 8
