import math

import pytest

from labelsieve.core.count_words import ends, flags


@pytest.mark.parametrize(
    ("measured", "n", "words"),
    [
        (True, 900, "95 % interval 80 to 151"),
        (False, 900, "between 80 and 151, depending on what is assumed; review 100 at random to know"),
        (False, 40, "between 80 and 151, depending on what is assumed; review 40 at random to know"),
        (False, 0, "between 80 and 151, depending on what is assumed"),
    ],
)
def test_a_range_is_called_an_interval_only_where_reviews_measured_it(measured, n, words):
    assert ends("80", "151", measured=measured, n=n) == words


def test_flags_come_with_the_share_that_should_be_wrong():
    assert flags(1030, 0.876) == "1,030 flagged, about 88 % of them wrong"
    assert flags(0, None) == flags(0, math.nan) == "0 flagged"
