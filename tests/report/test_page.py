"""The HTML building blocks: what comes in is escaped, and what goes out needs nothing beside itself."""

import base64
import io
import re
import wave

import numpy as np
from matplotlib.figure import Figure

from asd_jax.report.example_pictures import brightest_values, shown_relevance, wav_bytes
from asd_jax.report.page import (
    details,
    document,
    element,
    heading,
    joined,
    paragraph,
    picture,
    player,
    table,
)

HOSTILE = "<script>alert(\"x\")</script> & 'y'"


def test_text_is_escaped_wherever_it_stands() -> None:
    """File names, classes and configurations are a user's."""
    content = joined(
        [
            heading(3, HOSTILE, HOSTILE),
            paragraph(HOSTILE),
            table(HOSTILE, [HOSTILE], [[HOSTILE]]),
            details(HOSTILE, HOSTILE),
            picture(Figure(figsize=(1, 1)), HOSTILE, HOSTILE),
            player(b"", HOSTILE),
            HOSTILE,
        ]
    )
    page = document(HOSTILE, [("a", HOSTILE, content)])
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r'"[^"=<>]*alert\("x"\)', page), "quotes within an attribute"


def test_elements_nest_without_being_escaped_again() -> None:
    assert element("p", element("b", "<")) == "<p><b>&lt;</b></p>"
    assert element("a", "x", href="y", class_="z", aria_label="w") == (
        '<a href="y" class="z" aria-label="w">x</a>'
    )


def test_a_recording_plays_as_it_was() -> None:
    waveform = np.array([0, 1, -32768, 32767, 5], np.int16)
    with wave.open(io.BytesIO(wav_bytes(waveform, 16000))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
        np.testing.assert_array_equal(np.frombuffer(file.readframes(5), "<i2"), waveform)
    written = re.search(r"base64,([\w+/=]+)", player(wav_bytes(waveform, 16000), "clip"))
    assert written is not None
    assert base64.b64decode(written[1]) == wav_bytes(waveform, 16000)


def test_errors_are_shown_as_they_are_and_attributions_where_they_raise_the_score() -> None:
    errors = np.random.default_rng(0).uniform(0, 1, (20, 10))
    np.testing.assert_array_equal(shown_relevance(errors), errors)
    signed = np.full((40, 20), -1.0)
    signed[10:20, 5:15] = 4.0
    shown = shown_relevance(signed)
    assert shown.min() == 0
    assert shown[14, 10] > 3
    assert shown[35, 3] == 0


def test_a_dim_picture_stays_dim_beside_bright_ones() -> None:
    """Each scale ends at the picture's own largest values, but not below the middle one of all."""
    pictures = [np.full((3, 3), value) for value in (0.01, 1.0, 7.0)]
    assert brightest_values(pictures) == [1.0, 1.0, 7.0]
    assert brightest_values([np.zeros((3, 3))]) == [1.0]
    assert brightest_values([]) == []
