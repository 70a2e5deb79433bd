"""Objects that touch others of their class, counted with the classes of another set."""

import json

import cv2
import numpy as np
import pytest


def write(root, names, kinds, instances):
    """A folder of one picture: `kinds` is the class of each instance, 0 is the ground."""
    mask = np.array([0, *kinds], np.uint8)[instances]
    for kind, picture in (("images", 50 * mask), ("masks", mask), ("instances", instances)):
        (root / kind / "test").mkdir(parents=True)
        assert cv2.imwrite(str(root / kind / "test" / "0.png"), picture.astype(np.uint8))
    classes = [{"name": name, "thing": name != "ground"} for name in names]
    (root / "classes.json").write_text(json.dumps(classes))
    return root


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """A cup and a bowl that touch, two dogs apart, a chair; and a set of kitchen and animals."""
    root = tmp_path_factory.mktemp("touching")
    instances = np.zeros((128, 128), np.uint8)
    for number, (top, left) in enumerate(((5, 5), (5, 25), (60, 5), (60, 60), (5, 90)), start=1):
        instances[top : top + 20, left : left + 20] = number
    photographs = write(
        root / "photographs", ("ground", "cup", "bowl", "dog", "chair"), (1, 2, 3, 3, 4), instances
    )
    composed = write(root / "composed", ("ground", "animal", "kitchen"), (1, 1, 1, 1, 2), instances)
    return str(photographs), str(composed)


def test_shares_by_class(load_study, sets, capsys):
    study, (photographs, composed) = load_study("touching"), sets
    study.main(["--data", photographs])
    assert "| all | 5 | 0 | 5 of 1 |" in capsys.readouterr().out
    study.main(["--data", photographs, "--like", composed])
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| animal | 2 | 0 | 2 of 1 |",
        "| kitchen | 2 | 100 | 1 of 2 |",
        "| all | 4 | 50 | 2 of 1, 1 of 2 |",
    ]


def test_regions_join_what_touches(load_study, sets, capsys):
    photographs, composed = sets
    study = load_study("ceiling")
    things = []
    for words in ((), ("--like", composed)):
        study.main(["--data", photographs, *words])
        regions = capsys.readouterr().out.splitlines()[3].split("|")
        assert regions[1].strip() == "true labels, regions of 1+ cells"
        things.append(float(regions[3]))
    assert things == [100.0, 50.0]  # cup and bowl are one region of kitchen: no match
