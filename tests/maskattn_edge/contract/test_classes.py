"""Class lists: what a user may write, and what is refused."""

import numpy as np
import pytest

from maskattn_edge.contract.classes import (
    ClassInfo,
    classes_json,
    default_color,
    numbered_classes,
    palette,
    read_classes,
)
from maskattn_edge.contract.errors import ContractError, DataError


def test_names_alone_get_distinct_colors(tmp_path):
    path = tmp_path / "classes.json"
    path.write_text('["floor", {"name": "wall", "color": [1, 2, 3], "thing": true}]')
    floor, wall = read_classes(path)
    assert floor == ClassInfo("floor", default_color(0))
    assert wall == ClassInfo("wall", (1, 2, 3), True)


def test_what_is_written_is_read(tmp_path):
    classes = numbered_classes(40)
    (tmp_path / "classes.json").write_bytes(classes_json(classes))
    assert read_classes(tmp_path / "classes.json") == classes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "not a class list"),
        ("[]", "1 to 255 classes"),
        ('[{"color": [0, 0, 0]}]', "not a class list"),
        ('[{"name": "a", "color": [0, 0, 256]}]', "not a class list"),
        ("[" + '"a",' * 255 + '"a"]', "it names 256"),
    ],
)
def test_lists_that_are_refused(tmp_path, text, message):
    path = tmp_path / "classes.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_classes(path)


def test_missing_list(tmp_path):
    with pytest.raises(DataError, match="cannot read the class list"):
        read_classes(tmp_path / "classes.json")


def test_default_colors_are_distinct():
    assert len({default_color(index) for index in range(133)}) == 133


def test_palette_is_black_beyond_the_classes():
    table = palette(numbered_classes(2))
    assert table.shape == (256, 3)
    assert table[:2].any(axis=1).all()
    np.testing.assert_array_equal(table[2:], 0)


@pytest.mark.parametrize("count", [0, 256])
def test_impossible_counts(count):
    with pytest.raises(ContractError, match="1 to 255 classes"):
        numbered_classes(count)
