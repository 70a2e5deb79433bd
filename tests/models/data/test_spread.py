"""Some of many: all where they are few, evenly spread where they are many."""

import pytest

from maskattn_edge.contract.errors import UsageError
from maskattn_models.data import spread


@pytest.mark.parametrize(
    ("count", "most", "expected"),
    [(10, 2, [0, 5]), (100, 4, [0, 25, 50, 75]), (3, 8, [0, 1, 2]), (3, 3, [0, 1, 2]), (0, 4, [])],
)
def test_spread(count, most, expected):
    assert spread(range(count), most) == expected


def test_none_is_refused():
    with pytest.raises(UsageError, match="must be 1 or more, got 0"):
        spread([1, 2], 0)
