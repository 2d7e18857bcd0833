"""Series and labels from files: what is read, and how bad input is answered."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asd_jax.series.arrays import (
    Standardisation,
    constant_channels,
    read_labels,
    read_series,
    require_fit,
    require_moderate,
)
from asd_jax.series.experiment import SeriesDataConfig

CONFIG = SeriesDataConfig()


def saved(folder: Path, name: str, content: np.ndarray | str) -> Path:
    path = folder / name
    if isinstance(content, str):
        path.write_text(content)
    else:
        np.save(path, content)
    return path


def test_npy_and_csv_give_the_same_series(tmp_path: Path) -> None:
    values = np.array([[1.5, 2.0], [3.0, 4.0]])
    for name, content in (
        ("a.npy", values),
        ("b.csv", "1.5,2\n3,4\n"),
        ("c.csv", "left,right\n1.5,2\n3,4\n"),
    ):
        np.testing.assert_array_equal(
            read_series(saved(tmp_path, name, content), CONFIG), values, err_msg=name
        )


def test_one_channel_may_come_as_a_vector_and_leading_columns_be_skipped(tmp_path: Path) -> None:
    assert read_series(saved(tmp_path, "a.npy", np.arange(5)), CONFIG).shape == (5, 1)
    stamped = saved(tmp_path, "b.csv", "time,x\n100,1\n200,2\n")
    np.testing.assert_array_equal(
        read_series(stamped, SeriesDataConfig(skip_columns=1)), [[1.0], [2.0]]
    )


def test_missing_numbers_are_an_error_unless_asked_to_be_zero(tmp_path: Path) -> None:
    path = saved(tmp_path, "gaps.csv", "1,2\n3,\n")
    with pytest.raises(
        ValueError, match=r"gaps\.csv lacks 1 numbers .* time step 1, channel 1: fill the gaps from"
    ):
        read_series(path, CONFIG)
    np.testing.assert_array_equal(
        read_series(path, SeriesDataConfig(missing="zero")), [[1.0, 2.0], [3.0, 0.0]]
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("inf.npy", np.array([[1.0], [np.inf]]), r"inf\.npy lacks 1 numbers .*time step 1"),
        ("cube.npy", np.zeros((2, 2, 2)), r"cube\.npy has shape \(2, 2, 2\): a series is"),
        ("words.csv", "1,2\n1,2,3\n", r"words\.csv, line 2: 3 cells, the first line has 2"),
        (
            "letters.csv",
            "1,2\n1,b\n",
            r"letters\.csv, line 2, column 2: 'b' is text, where a number",
        ),
        ("empty.npy", np.zeros((4, 0)), r"empty\.npy holds no channel"),
        ("data.mat", "1,2\n", r"data\.mat: give a \.npy file, or a text in \.csv"),
        ("pickled.npy", np.array([[{}]], dtype=object), r"pickled\.npy cannot be read"),
    ],
)
def test_what_is_no_series_is_refused(
    tmp_path: Path, name: str, content: np.ndarray | str, message: str
) -> None:
    """The message names the file; nothing pickled is ever loaded."""
    with pytest.raises(ValueError, match=message):
        read_series(saved(tmp_path, name, content), CONFIG)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"gone\.npy does not exist"):
        read_series(tmp_path / "gone.npy", CONFIG)


def test_labels_are_one_zero_or_one_a_time_step(tmp_path: Path) -> None:
    labels = saved(tmp_path, "labels.csv", "time,label\n100,0\n200,1\n")
    np.testing.assert_array_equal(read_labels(labels, 2), [False, True])
    with pytest.raises(ValueError, match=r"labels\.csv has labels of shape \(2,\) for 3 time"):
        read_labels(labels, 3)
    with pytest.raises(ValueError, match=r"other than 0 \(normal\) and 1"):
        read_labels(saved(tmp_path, "other.npy", np.array([0, 2])), 2)


def test_series_that_do_not_go_together_are_refused() -> None:
    first, second = Path("first.npy"), Path("second.npy")
    require_fit(first, second, ((100, 3), (100, 3)), 100)
    with pytest.raises(ValueError, match=r"first\.npy has 3 channels, second\.npy has 4"):
        require_fit(first, second, ((100, 3), (100, 4)), 100)
    with pytest.raises(ValueError, match=r"second\.npy has 99 time steps, fewer than one window"):
        require_fit(first, second, ((100, 3), (99, 3)), 100)


def test_standardised_training_has_mean_0_and_deviation_1() -> None:
    """A constant channel is only centred; another series is scaled by the training's statistics."""
    rng = np.random.default_rng(0)
    training = np.column_stack([rng.normal(5, 3, 200), np.full(200, 7.0)])
    standardise = Standardisation.of(training)
    scaled = standardise(training)
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(scaled.std(axis=0), [1, 0], atol=1e-6)
    np.testing.assert_allclose(standardise(training + 3)[:, 1], 3)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("1.5,2\n3,4\n5,6\n", "separator ',', decimal '.', no header, 2 channels"),
        ("a;b\n1,5;2\n3;4\n5;6\n", "separator ';', decimal ',', header, 2 channels"),
        (",a,b\n0,1.5,2\n1,3,4\n2,5,6\n", "header, 1 time column, 2 channels"),
        (",0,1\n0,1.5,2\n1,3,4\n2,5,6\n", "header, 1 time column, 2 channels"),
        ("0,1\n1.5,2\n3,4\n5,6\n", "header, 2 channels"),
        ("time,a,b\n10,1.5,2\n20,3,4\n25,5,6\n", "header, 1 time column, 2 channels"),
        (
            "2024-01-01 00:00:00,1.5,2\n2024-01-01 00:00:01,3,4\n2024-01-01 00:00:02,5,6\n",
            "1 time col",
        ),
        (
            "date;clock;a;b\n01.02.2024;10:00;1,5;2\n01.02.2024;10:01;3;4\n01.02.2024;10:02;5;6\n",
            "2 time",
        ),
        ("0,1.5,2\n1,3,4\n2,5,6\n", "no header, 1 time column, 2 channels"),
        ("1700000000,1.5,2\n1700000007,3,4\n1700000008,5,6\n", "1 time column, 2 channels"),
        ("# a b\n1.5 2\n3 4\n5 6\n", "separator spaces"),
        ("1.5D+00,2\n3,4\n5,6\n", "2 channels"),
        ("Time (s),a,b\n0.0,1.5,2\n0.1,3,4\n0.2,5,6\n", "header, 1 time column, 2 channels"),
        ("elapsed_ms;a;b\n0;1,5;2\n10;3;4\n20;5;6\n", "header, 1 time column, 2 channels"),
        ("No.;a;b\n5;1,5;2\n6;3;4\n7;5;6\n", "header, 1 time column, 2 channels"),
        ("Sample,a,b\n10,1.5,2\n20,3,4\n30,5,6\n", "header, 1 time column, 2 channels"),
        ("row_id,a,b\n1,1.5,2\n2,3,4\n3,5,6\n", "header, 1 time column, 2 channels"),
        ("0,1.5,2\n10,3,4\n20,5,6\n", "no header, 1 time column, 2 channels"),
        ("100,1.5,2\n101,3,4\n102,5,6\n", "no header, 1 time column, 2 channels"),
        ("0,1.5,2\n0.1,3,4\n0.2,5,6\n", "no header, 1 time column, 2 channels"),
        ("timestamp,0,1\n7,1.5,2\n8,3,4\n9,5,6\n", "header, 1 time column, 2 channels"),
        ("a\n1.5 2\n3 4\n5 6\n".replace("a\n", "a b\n"), "separator spaces, decimal '.', header"),
    ],
)
def test_a_text_is_read_in_the_dialect_that_it_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, told: str
) -> None:
    path = saved(tmp_path, "a.csv", content)
    np.testing.assert_array_equal(read_series(path, CONFIG), [[1.5, 2], [3, 4], [5, 6]])
    assert f"{path} is read as: " in capsys.readouterr().err or told
    read_series(path, CONFIG)
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("1.5,bad\n1.6,2\n1.7,3\n", "line 1: 'bad' is text and '1.5' a number"),
        ("a,when\n1,2024-01-01\n2,2024-01-02\n", r"column 2, 'when', holds times"),
        ("a,b,time\n1,5,0.1\n3,4,0.2\n", r"column 3, 'time', holds times .*Move it to the front"),
        ("a,label\n1.5,0\n3,1\n", r"column 2, 'label', holds labels by its name"),
        ("t,a,Attack\n1,1.5,0\n2,3,1\n", r"column 3, 'Attack', holds labels by its name"),
        ("0\n1.5\n2\n3\n", r"line 1: 0 may be the names .*data\.header=yes or"),
        ("1,2,3\n1.5,2,3\n", r"line 1: 1, 2, 3 may be the names"),
        ("1,5\n2,25\n", r"data\.decimal=point tells that commas part .*data\.decimal=comma"),
        ("0,1,2\n5,6,7\n8,9,3\n", r"line 1: 0, 1, 2 may be the names .*data\.header=yes or"),
        ("a,b\n1,x\n", r"line 2, column 2: 'x' is text"),
        ("a,b\n1,2#3\n", r"line 2, column 2: '2#3' is text"),
        ("1,2\n#1,2\n", r"line 2, column 1: '#1' is text"),
        ("1,2\n1\n", r"line 2: 1 cells, the first line has 2"),
        ("a,b\n", r"names of columns and no number"),
        ("", r"no line of numbers"),
        ("1,2\n3,\n", r"lacks 1 numbers .*fill the gaps from their neighbours"),
        ("a;b\n1.234,5;2\n", r"signs for thousands"),
    ],
)
def test_a_text_that_can_be_read_in_two_ways_or_in_none_is_refused(
    tmp_path: Path, content: str, told: str
) -> None:
    """No cure that is printed makes a training learn invented zeros."""
    with pytest.raises(ValueError, match=told) as error:
        read_series(saved(tmp_path, "a.csv", content), CONFIG)
    assert "zero" not in str(error.value)


def test_what_cannot_be_found_can_be_told(tmp_path: Path) -> None:
    whole = saved(tmp_path, "a.csv", "0,1,2\n5,6,7\n8,9,3\n")
    assert len(read_series(whole, SeriesDataConfig(header="yes"))) == 2
    assert len(read_series(whole, SeriesDataConfig(header="no"))) == 3
    column = saved(tmp_path, "b.csv", "1,5\n2,25\n")
    np.testing.assert_array_equal(
        read_series(column, SeriesDataConfig(decimal="point")), [[1, 5], [2, 25]]
    )
    np.testing.assert_array_equal(
        read_series(column, SeriesDataConfig(decimal="comma")), [[1.5], [2.25]]
    )


@pytest.mark.parametrize(
    "dtype", [np.complex128, [("a", "f8"), ("b", "f8")], "U3", "datetime64[s]"]
)
def test_arrays_of_other_kinds_are_refused(tmp_path: Path, dtype: Any) -> None:
    """A complex number loses no part without a word."""
    with pytest.raises(ValueError, match="cannot be read as real numbers"):
        read_series(saved(tmp_path, "a.npy", np.zeros(4, dtype)), CONFIG)


@pytest.mark.parametrize(
    ("content", "labels"),
    [
        ("0\n1\n0\n", [0, 1, 0]),
        ('"label"\n"0"\n"1"\n"0"\n', [0, 1, 0]),
        ("time,label\n1,0\n2,1\n3,0\n", [0, 1, 0]),
        (",anomaly\n0,0\n1,1\n2,0\n", [0, 1, 0]),
        ("pressure;Label\n1,5;0\n2,5;1\n3,5;0\n", [0, 1, 0]),
        ("timestamp,speed,is_anomaly\n1,7,0\n2,7,1\n3,7,0\n", [0, 1, 0]),
    ],
)
def test_the_column_of_labels_is_found(tmp_path: Path, content: str, labels: list[int]) -> None:
    np.testing.assert_array_equal(read_labels(saved(tmp_path, "l.csv", content), 3), labels)


def test_labels_of_several_columns_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, "l.csv", "first,second\n0,1\n1,0\n0,0\n")
    with pytest.raises(ValueError, match=r"2 columns that may be the labels \(first, second\)"):
        read_labels(path, 3)


@pytest.mark.parametrize("value", [0.3, 1e9 + 0.1, -7.0, 0.0, 1e-12])
def test_a_constant_channel_is_one_for_all_its_rounding(value: float) -> None:
    """Its deviation of some 1e-15 is no scale: dividing by it would make noise of rounding."""
    series = np.column_stack([np.full(10_000, value), np.sin(np.arange(10_000) * 0.1)])
    np.testing.assert_array_equal(constant_channels(series), [True, False])
    scaled = Standardisation.of(series)(series)
    assert np.abs(scaled[:, 0]).max() < 1e-5


def test_a_channel_that_hardly_moves_is_not_constant() -> None:
    series = np.column_stack([1.0 + 1e-9 * np.sin(np.arange(1000))])
    assert not constant_channels(series).any()


def test_a_training_series_with_a_mark_for_errors_is_refused(tmp_path: Path) -> None:
    series = np.ones((20, 2))
    series[7, 1] = 3.4e38
    with pytest.raises(ValueError, match=r"beyond 1e\+30, the first at time step 7, channel 1"):
        require_moderate(tmp_path / "a.npy", series)
    require_moderate(tmp_path / "a.npy", np.full((3, 1), 1e29))
