"""The whole command on tiny sources, and on real ones where they are."""

import hashlib
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from maskattn_edge.cli.data import app
from maskattn_edge.contract.classes import read_classes
from maskattn_edge.contract.errors import DataError, UsageError
from maskattn_models.data import load_segments, open_dataset
from maskattn_models.data.composed import CompositionSettings, prepare_composed
from maskattn_models.data.generation import SPLITS


def write(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def used(folder: Path) -> dict[str, tuple[set[str], set[str]]]:
    """Scenes and photographs of each split, as `sources.json` tells."""
    origins = json.loads((folder / "sources.json").read_text())
    return {
        split: (
            {origin["scene"] for origin in made.values()},
            {name.partition("#")[0] for origin in made.values() for name in origin["objects"]},
        )
        for split, made in origins.items()
    }


SETTINGS = CompositionSettings(images=20, seed=4, least=2)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, photographs, scenes):
    folder = tmp_path_factory.mktemp("composed") / "set"
    result = prepare_composed(folder, photographs, scenes, SETTINGS, workers=1)
    return folder, result


def test_layout_and_classes(prepared):
    folder, result = prepared
    assert result.images == {"train": 16, "val": 2, "test": 2}
    names = [(info.name, info.thing) for info in read_classes(folder / "classes.json")]
    assert names == [("sky", False), ("road", False), ("animal", True), ("kitchen", True)]
    assert {path.name for path in folder.iterdir()} == {
        "images", "masks", "instances", "classes.json", "manifest.json", "sources.json",
    }  # fmt: skip
    assert [path.name for path in folder.parent.iterdir()] == ["set"]


def test_every_reader_takes_it(prepared):
    folder, result = prepared
    dataset = open_dataset(folder)
    assert dataset.tasks == {"semantic", "instance", "panoptic"}
    seen = 0
    for split in SPLITS:
        for sample in dataset.split(split):
            image, segments = load_segments(sample, dataset)
            assert image.shape == (240, 320, 3)
            assert not segments.crowd.any()
            assert (segments.areas() > 0).all()
            seen += sum(dataset.classes[label].thing for label in segments.label)
    assert seen == sum(sum(counts.values()) for counts in result.instances.values())


def test_no_source_is_in_two_splits(prepared):
    found = used(prepared[0])
    for kind in (0, 1):
        every = [name for split in SPLITS for name in found[split][kind]]
        assert len(every) == len(set(every)) >= 3


def test_a_thing_of_a_scene_is_void(prepared):
    masks = [cv2.imread(str(path), -1) for path in (prepared[0] / "masks").rglob("*.png")]
    assert all((mask == 255).any() for mask in masks)
    assert {int(value) for mask in masks for value in np.unique(mask)} <= {0, 1, 2, 3, 255}


def test_a_cut_off_object_is_not_used(prepared):
    """Segment 3 ends at the photograph's edge."""
    origins = json.loads((prepared[0] / "sources.json").read_text())
    numbers = {
        name[-2:] for made in origins.values() for o in made.values() for name in o["objects"]
    }
    assert numbers == {"#1", "#2"}


def test_counts_are_those_of_the_files(prepared):
    folder, result = prepared
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["instances"] == result.instances
    for split in SPLITS:
        masks = sorted((folder / "instances" / split).iterdir())
        shown = sum(int(cv2.imread(str(path), -1).max()) for path in masks)
        assert shown == sum(result.instances[split].values())
    assert sum(result.objects[split]["animal"] for split in SPLITS) == 10


def test_the_manifest_tells_how_objects_touch_in_the_photographs(prepared):
    """The box and the one that ends at the edge are both cups, a good way apart."""
    folder, result = prepared
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["generator_version"] == 2
    assert manifest["clusters"] == {"animal": {"1": 10}, "kitchen": {"1": 20}}
    assert result.clusters == {"animal": {1: 10}, "kitchen": {1: 20}}


def test_the_number_of_workers_changes_nothing(tmp_path, prepared, photographs, scenes):
    prepare_composed(tmp_path / "two", photographs, scenes, SETTINGS, workers=2)
    assert hashes(tmp_path / "two") == hashes(prepared[0])


def test_kept_splits(tmp_path, photographs, scenes):
    settings = CompositionSettings(images=10, least=2, keep_splits=True)
    result = prepare_composed(tmp_path / "set", photographs, scenes, settings, workers=1)
    assert [result.objects[split]["animal"] for split in SPLITS] == [6, 2, 2]
    assert all("/a" in name for name in used(tmp_path / "set")["train"][1])


def test_no_class_has_enough(tmp_path, photographs, scenes):
    with pytest.raises(DataError, match=r"no class has 7 whole .*\('dog' has most, 10 in all\)"):
        prepare_composed(
            tmp_path / "set", photographs, scenes,
            CompositionSettings(images=10, least=7, grouped=False),
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_coco_annotations_and_a_rare_class(tmp_path, scenes):
    root, rng = tmp_path / "coco", np.random.default_rng(3)
    square = [[10.0, 10.0, 50.0, 10.0, 50.0, 50.0, 10.0, 50.0]]
    listed, annotations = [], []
    for number in range(9):
        name = f"{number}.jpg"
        write(root / "images" / "train" / name, rng.integers(0, 256, (64, 64, 3), np.uint8))
        listed.append({"id": number, "file_name": name, "height": 64, "width": 64})
        annotations.append(
            {"id": number, "image_id": number, "category_id": 1 + (number == 0), "iscrowd": 0,
             "area": 1600.0, "bbox": [10, 10, 40, 40], "segmentation": square}
        )  # fmt: skip
    categories = [{"id": 1, "name": "forklift"}, {"id": 2, "name": "dog"}]
    content = {"images": listed, "annotations": annotations, "categories": categories}
    (root / "annotations").mkdir()
    (root / "annotations" / "train.json").write_text(json.dumps(content))
    settings = CompositionSettings(images=10, least=4, grouped=False)
    result = prepare_composed(tmp_path / "set", root, scenes, settings, workers=1)
    assert [info.name for info in result.classes] == ["sky", "road", "forklift"]
    assert result.left_out == {"dog": 1}
    assert [result.objects[split]["forklift"] for split in SPLITS] == [5, 2, 1]


@pytest.mark.parametrize(
    ("objects", "background", "message"),
    [
        ("scenes", "scenes", "has no instances to cut out"),
        ("photographs", "photographs", "scenes come from a data set with a class for most"),
    ],
)
def test_unfit_sources(tmp_path, request, objects, background, message):
    sources = request.getfixturevalue(objects), request.getfixturevalue(background)
    with pytest.raises(DataError, match=message):
        prepare_composed(tmp_path / "set", *sources, SETTINGS)
    assert list(tmp_path.iterdir()) == []


def test_a_name_in_both_sources(tmp_path, photographs, scenes):
    names = '[{"name": "sky"}, {"name": "car", "thing": true}, {"name": "animal"}]'
    other = tmp_path / "scenes"
    other.mkdir()
    for kind in ("images", "masks"):
        (other / kind).symlink_to(scenes / kind)
    (other / "classes.json").write_text(names)
    with pytest.raises(DataError, match="'animal' is a class of the objects and stuff of the"):
        prepare_composed(tmp_path / "set", photographs, other, SETTINGS)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"images": 9}, "10 images or more"),
        ({"seed": -1}, "a seed is 0 or more"),
        ({"least": 0}, "a class needs 1 object or more, got 0"),
    ],
)
def test_wrong_numbers(wrong, message):
    with pytest.raises(UsageError, match=message):
        CompositionSettings(**{"images": 10, **wrong})


def test_an_interrupted_run_leaves_nothing(tmp_path, photographs, scenes):
    def told(step: str, done: int, total: int) -> None:
        if step == "images":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_composed(
            tmp_path / "set", photographs, scenes, SETTINGS, workers=1, progress=told
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_the_command_reports_counts(tmp_path, photographs, scenes):
    arguments = ["prepare", "composed", str(tmp_path / "set"), "--images", "10", "--least", "2"]
    sources = ["--objects", str(photographs), "--scenes", str(scenes), "--workers", "1"]
    result = CliRunner().invoke(app, [*arguments, *sources])
    assert result.exit_code == 0, result.output
    assert "10 images, 4 classes, seed 0, written to" in result.stdout
    assert "animal: 6/2/2 objects in train/val/test, shown" in result.stdout


@pytest.mark.real_data
def test_real_photographs_and_scenes(tmp_path):
    root = os.environ.get("MASKATTN_DATA")
    sources = [Path(root or "none") / name for name in ("coco128seg", "camvid")]
    if not all(path.is_dir() for path in sources):
        pytest.skip("MASKATTN_DATA names no folder with coco128seg/ and camvid/")
    settings = CompositionSettings(images=10)
    result = prepare_composed(tmp_path / "set", *sources, settings, workers=1)
    assert [info.name for info in result.classes if info.thing] == sorted(result.objects["train"])
    assert len(result.objects["train"]) >= 6
    found = used(tmp_path / "set")
    for kind in (0, 1):
        assert not found["train"][kind] & found["test"][kind]
