"""Every figure is valid XML for any input, and draws its data."""

import re
import xml.etree.ElementTree as xml

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelsieve.reports import charts

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg):
    return [node.text for node in xml.fromstring(svg).iter(f"{SVG}text")]


def test_the_histogram_has_one_bar_for_each_bin_that_holds_something():
    svg = charts.histogram(np.array([0.0, 0.01, 0.99, 1.0, 0.52]))
    titles = [node.text for node in xml.fromstring(svg).iter(f"{SVG}title")]
    assert titles == ["0.00 to 0.05: 2 examples", "0.50 to 0.55: 1 examples", "0.95 to 1.00: 2 examples"]
    assert svg.count('class="wrong"') == 2


def test_intervals_are_drawn_to_one_scale():
    svg = charts.intervals([("all", 50, 100, 200), ("left", 0, 0, 0)])
    bands = [(float(node.get("x")), float(node.get("width"))) for node in xml.fromstring(svg).iter(f"{SVG}rect")]
    dots = [float(node.get("cx")) for node in xml.fromstring(svg).iter(f"{SVG}circle")]
    start = bands[1][0]
    assert dots[1] == start
    assert (bands[0][0] - start) * 2 == pytest.approx(dots[0] - start, abs=0.3)
    assert bands[0][1] == pytest.approx(3 * (bands[0][0] - start), abs=0.5)
    assert "50 to 200" in texts(svg)


def test_the_diagonal_of_the_matrix_is_empty():
    svg = charts.matrix(["cat", "dog"], np.array([[9.0, 3.0], [0.2, 9.0]]))
    assert [text for text in texts(svg) if text.isdigit()] == ["3"]


def test_the_trail_rises_from_zero_to_the_number_found():
    path = re.search(r'class="line" d="M([^"]*)"', charts.trail([0, 1, 1, 2])).group(1)
    heights = [float(point.split()[1]) for point in path.split("L")]
    assert len(heights) == 5 and heights == sorted(heights, reverse=True)


def test_a_long_trail_stays_short():
    assert len(charts.trail(list(range(100_000)))) < 15_000


def test_bars_and_reliability_name_their_numbers():
    assert "25.0 %  (5 of 20)" in texts(charts.bars([("cat", 20, 5.0), ("dog", 0, 0.0)]))
    assert "40 reviews" in charts.reliability([(0.5, 0.4, 0.3, 0.6, 40)])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=8, unique=True), st.floats(0, 1e9))
def test_any_class_name_gives_valid_xml(names, value):
    for svg in (
        charts.matrix(names, np.full((len(names), len(names)), value)),
        charts.bars([(name, 10, value) for name in names]),
        charts.intervals([(name, 0, value, value) for name in names]),
    ):
        xml.fromstring(charts.alone(svg))


def test_axis_numbers_of_the_trail_are_at_their_positions():
    svg = charts.trail([1, 2, 2, 3, 4])
    left, right = 48, 560 - 16
    under = {int(words): float(x) for x, words in re.findall(r'<text x="([\d.]+)" y="214.0"[^>]*>(\d+)<', svg)}
    assert under and all(abs(x - (left + (right - left) * i / 5)) < 0.1 for i, x in under.items())
