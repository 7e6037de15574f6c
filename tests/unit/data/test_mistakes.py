import pytest

from sfsc.data.mistakes import raise_mistakes
from sfsc.errors import DataError


def test_no_mistakes_raise_nothing():
    """The set goes on."""
    raise_mistakes("a.csv", [])


def test_one_mistake_is_the_whole_message():
    """A list of one would be noise."""
    with pytest.raises(DataError) as raised:
        raise_mistakes("a.csv", ["a.csv, line 2 must be whole. Found half."])
    assert str(raised.value) == "a.csv, line 2 must be whole. Found half."


def test_many_mistakes_are_a_list_of_at_most_twenty():
    """The source is named once."""
    with pytest.raises(DataError) as raised:
        raise_mistakes("a.csv", [f"a.csv, line {n} must be whole." for n in range(23)])
    lines = str(raised.value).splitlines()
    assert lines[:2] == ["a.csv has 23 mistakes:", "  - line 0 must be whole."]
    assert lines[20:] == ["  - line 19 must be whole.", "  and 3 more"]
