"""The simulated sounds hold what a detector needs: characters, faults, and no loudness clue."""

from __future__ import annotations

import zipfile
from dataclasses import replace

import numpy as np
import pytest
import scipy.signal
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from asd_jax.simulation import SimulationSize, simulate
from asd_jax.simulation.anomalies import FAULTS
from asd_jax.simulation.catalogue import BUILDERS, rosters
from asd_jax.simulation.machine import Condition, operate, sound
from asd_jax.simulation.operations import conditions
from asd_jax.simulation.scene import clip, stream, unit

TYPES = ("fan", "valve", "ToyCar")
BANDS = np.unique(np.geomspace(4, 512, 41).astype(int))[:-1]


def features(wave: np.ndarray) -> np.ndarray:
    """Mean and deviation over time of log band energies, relative to the clip's level."""
    power = np.abs(scipy.signal.stft(wave / 32768.0, nperseg=1024, noverlap=512)[2]) ** 2
    energy = 10 * np.log10(np.add.reduceat(power, BANDS, axis=0) + 1e-12)
    energy = energy - energy.mean()
    return np.concatenate([energy.mean(axis=1), energy.std(axis=1)])


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str, str, np.ndarray]]:
    """(machine, part, label, samples) of a small 2020 development set."""
    folder = tmp_path_factory.mktemp("simulated")
    size = SimulationSize(sections=2, train=24, test_normal=10, test_anomaly=10)
    found = []
    for path in simulate("dcase2020", folder, size, machine_types=TYPES, seconds=4.0):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                machine_type, part, file_name = name.split("/")
                label, _, section, _ = file_name.split("_")
                samples = np.frombuffer(archive.read(name)[44:], "<i2").astype(np.float64)
                found.append((f"{machine_type} {section}", part, label, samples))
    return found


def by_label(clips, machine: str, value) -> tuple[np.ndarray, np.ndarray]:
    """Values of a machine's test clips and whether they are anomalous."""
    test = [(value(s), label) for m, part, label, s in clips if (m, part) == (machine, "test")]
    return np.array([v for v, _ in test]), np.array([label == "anomaly" for _, label in test])


def machines(clips) -> list[str]:
    return sorted({machine for machine, *_ in clips})


def test_loudness_does_not_tell_anomalies_apart(clips):
    for machine in machines(clips):
        loudness, anomalous = by_label(clips, machine, lambda s: np.sqrt(np.mean(s**2)))
        auc = roc_auc_score(anomalous, loudness)
        assert max(auc, 1 - auc) < 0.7, machine


def anomaly_auc(train: list, normal: list, anomalous: list) -> float:
    """AUC of the distance to the nearest training clip."""
    scaler = StandardScaler().fit(train)
    nearest = NearestNeighbors(n_neighbors=1).fit(scaler.transform(train))
    distance = nearest.kneighbors(scaler.transform([*normal, *anomalous]))[0][:, 0]
    return float(roc_auc_score([False] * len(normal) + [True] * len(anomalous), distance))


def test_anomalies_stand_out_from_their_machines_training_clips(clips):
    aucs = []
    for machine in machines(clips):
        own = [features(s) for m, part, _, s in clips if (m, part) == (machine, "train")]
        heard, anomalous = by_label(clips, machine, features)
        aucs.append(anomaly_auc(own, list(heard[~anomalous]), list(heard[anomalous])))
    assert np.mean(aucs) > 0.75


@pytest.mark.parametrize(
    ("year", "stage"), [(2024, "eval"), (2025, "eval"), (2026, "dev"), (2026, "eval")]
)
def test_anomalies_of_the_new_machine_types_stand_out_at_the_near_microphone(year: int, stage: str):
    aucs = {}
    for machine_type, roster in rosters(year)[stage].items():
        where = unit(0, year, machine_type, 0, 0, roster.channels)
        runs = conditions(year, machine_type, "source")
        heard: dict[str, list[np.ndarray]] = {}
        for part, count in {"train": 16, "normal": 8, "anomaly": 8}.items():
            heard[part] = []
            for index in range(count):
                rng = stream(0, year, machine_type, part, index)
                run = runs[index % len(runs)]
                wave = clip(where, run, part == "anomaly", index, 32_000, 3.0, rng)
                heard[part].append(features(wave[0]))
        aucs[machine_type] = anomaly_auc(heard["train"], heard["normal"], heard["anomaly"])
    assert np.mean(list(aucs.values())) > 0.75
    assert min(aucs.values()) > 0.6, aucs


def test_every_machine_is_recognised_by_its_own_character(clips):
    train = [(features(s), m) for m, part, _, s in clips if part == "train"]
    normal = [(features(s), m) for m, p, label, s in clips if (p, label) == ("test", "normal")]
    scaler = StandardScaler().fit([f for f, _ in train])
    nearest = NearestNeighbors(n_neighbors=1).fit(scaler.transform([f for f, _ in train]))
    found = nearest.kneighbors(scaler.transform([f for f, _ in normal]))[1][:, 0]
    right = [train[i][1] == machine for i, (_, machine) in zip(found, normal, strict=True)]
    assert np.mean(right) > 0.9


@pytest.mark.parametrize("machine_type", sorted(BUILDERS))
def test_every_fault_of_every_type_changes_its_sound(machine_type: str):
    healthy = unit(0, 2021, machine_type, 0, 0).machine
    assert len(FAULTS[machine_type]) >= 2
    before = sound(healthy, 32_000, stream("sound"))
    for fault in FAULTS[machine_type]:
        after = sound(fault(healthy, 0.6, stream("fault")), 32_000, stream("sound"))
        assert np.isfinite(after).all()
        change = features(after / after.std() * 1000) - features(before / before.std() * 1000)
        assert np.abs(change).max() > 2.0, fault.__name__


def test_a_clip_whose_strokes_all_stay_out_holds_the_factory_noise():
    where = unit(0, 2020, "valve", 0, 0)
    silent = replace(where, faults=(lambda machine, severity, rng: replace(machine, skipped=1.0),))
    wave = clip(silent, Condition(), True, 0, 16_000, 3.0, stream("silent"))
    assert wave.std() > 50


def test_faults_in_a_part_of_the_clip_leave_the_rest_healthy():
    where = unit(0, 2020, "fan", 0, 0)
    condition = conditions(2020, "fan", "source")[0]
    spread = []
    for index in range(12):
        wave = clip(where, condition, True, 3, 80_000, 30.0, stream("partial", index))
        high = np.abs(scipy.signal.stft(wave[0], nperseg=1024)[2])[160:].mean(axis=0)
        spread.append(np.std(np.log(scipy.signal.medfilt(high, 9)[8:-8])))
    assert max(spread) > 3 * min(spread)


@pytest.mark.parametrize("machine_type", ["fan", "gearbox", "ToyTrain"])
def test_the_target_domain_runs_its_machines_differently(machine_type: str):
    healthy = unit(0, 2021, machine_type, 0, 0).machine
    source, target = (
        [operate(healthy, c).speed for c in conditions(2021, machine_type, domain)]
        for domain in ("source", "target")
    )
    assert max(source) < max(target)
    assert not {c.attributes for c in conditions(2021, machine_type, "source")} & {
        c.attributes for c in conditions(2021, machine_type, "target")
    }
