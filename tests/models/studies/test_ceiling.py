"""Perfect maps through the grouping: what it can reach at most."""

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="module")
def crowded(tmp_path_factory):
    """Touching discs of two classes before thin posts, on a ground."""
    root, rng = tmp_path_factory.mktemp("ceiling") / "discs", np.random.default_rng(0)
    for kind in ("images", "masks", "instances"):
        (root / kind / "test").mkdir(parents=True)
    for index in range(4):
        mask, instances = np.zeros((128, 128), np.uint8), np.zeros((128, 128), np.uint8)
        for left in range(5, 128, 20):
            mask[:, left : left + 3] = 1
        for number, (top, left) in enumerate(np.ndindex(4, 4), start=1):
            middle = 16 + 30 * left + int(rng.integers(3)), 16 + 30 * top + int(rng.integers(3))
            radius = int(rng.integers(4, 17))
            disc = cv2.circle(np.zeros_like(mask), middle, radius, 1, cv2.FILLED) > 0
            mask[disc], instances[disc] = 2 + number % 2, number
        for kind, picture in (("images", 50 * mask), ("masks", mask), ("instances", instances)):
            assert cv2.imwrite(str(root / kind / "test" / f"{index}.png"), picture)
    (root / "classes.json").write_text(
        '["ground", "post", {"name": "red", "thing": true}, {"name": "blue", "thing": true}]'
    )
    return root


def test_perfect_maps_lose_little(load_study, crowded, capsys):
    load_study("ceiling").main(["--data", str(crowded)])
    rows = {
        cells[1].strip(): [float(cell) for cell in cells[2:-1]]
        for line in capsys.readouterr().out.splitlines()[2:]
        if (cells := line.split("|"))
    }
    quality, things, stuff, precision = rows["true maps, grouped"][:4]
    assert quality > 90
    assert things > 90
    assert stuff > 90
    assert precision > 75
    assert rows["true maps, grouped"][:4] == rows["true maps, grouped"][4:]  # the same size
    regions = rows["true labels, regions of 1+ cells"]
    assert regions[2] == 100
    assert things > regions[1]
