from __future__ import annotations

import json
from collections import Counter

import cv2
import numpy as np
import pytest

from maskattn_edge.contract.classes import ClassInfo, numbered_classes
from maskattn_edge.contract.errors import ContractError, DataError, SinkError, UsageError
from maskattn_models.data import open_dataset
from maskattn_models.evaluation import (
    Evaluation,
    evaluate,
    open_predictor,
    score_table,
    write_report,
)

SIZE = {"height": 8, "width": 8, "resize": "stretch"}


def red(image_nhwc):
    """A perfect model of the data below: the class is the red channel / 100."""
    return ((image_nhwc[..., 0].astype(int) + 50) // 100).astype(np.uint8)


def write_sample(root, stem, mask):
    for folder in ("images", "masks"):
        (root / folder / "test").mkdir(parents=True, exist_ok=True)
    image = np.zeros((*mask.shape, 3), np.uint8)
    image[..., 2] = np.where(mask == 255, 0, mask * 100)
    cv2.imwrite(str(root / f"images/test/{stem}.png"), image)
    cv2.imwrite(str(root / f"masks/test/{stem}.png"), mask)


@pytest.fixture
def dataset(tmp_path):
    wide = np.zeros((8, 16), np.uint8)
    wide[:, 8:] = 1
    wide[:2, :3] = 255
    write_sample(tmp_path, "wide", wide)
    tall = np.full((32, 16), 2, np.uint8)
    tall[16:] = 1
    write_sample(tmp_path, "tall", tall)
    (tmp_path / "classes.json").write_text('["floor", "wall", "door", "sky"]', encoding="utf-8")
    return open_dataset(tmp_path)


@pytest.mark.parametrize("resize", ["stretch", "letterbox"])
def test_perfect_model_scores_one(dataset, resize):
    result = evaluate(red, dataset, "test", height=8, width=8, resize=resize)
    assert result.grid_miou == result.full_miou == 1.0
    np.testing.assert_array_equal(result.full_iou, [1, 1, 1, np.nan])
    np.testing.assert_array_equal(result.grid_iou, [1, 1, 1, np.nan])
    assert result.images == 2
    assert int(result.full_confusion.sum()) == 8 * 16 - 6 + 32 * 16


def test_bars_of_a_letterbox_count_nowhere(dataset):
    def in_bars_too(image_nhwc):
        labels = red(image_nhwc)
        labels[(image_nhwc == 114).all(axis=-1)] = 3  # wrong, but only in the bars
        return labels

    result = evaluate(in_bars_too, dataset, "test", height=8, width=8, resize="letterbox")
    assert result.grid_miou == 1.0
    # wide: 4 rows of 8, tall: 4 columns of 8; one cell of wide is ignored
    assert int(result.grid_confusion.sum()) == 32 + 32 - 1
    assert result.full_miou == 1.0


def test_scores_equal_a_slow_reference(dataset):
    def wrong(image_nhwc):
        labels = red(image_nhwc)
        labels[:, :3, :5] = 1
        labels[:, 6, :] = 0
        return labels

    result = evaluate(wrong, dataset, "test", **SIZE)
    pairs: Counter[tuple[int, int]] = Counter()
    for sample in dataset.split("test"):
        mask = cv2.imread(str(sample.mask), cv2.IMREAD_UNCHANGED)
        image = cv2.imread(str(sample.image))[..., ::-1]
        small = cv2.resize(image, (8, 8), interpolation=cv2.INTER_AREA)
        labels = wrong(small[None])[0]
        height, width = mask.shape
        for y in range(height):
            for x in range(width):
                if mask[y, x] != 255:
                    pairs[int(mask[y, x]), int(labels[y * 8 // height, x * 8 // width])] += 1
    expected = np.zeros((4, 4), np.int64)
    for pair, count in pairs.items():
        expected[pair] = count
    np.testing.assert_array_equal(result.full_confusion, expected)
    assert 0 < result.full_miou < 1


def test_limit_spreads_and_progress_is_told(dataset):
    told = []
    result = evaluate(
        red, dataset, "test", **SIZE, limit=1, progress=lambda *step: told.append(step)
    )
    assert (result.images, told) == (1, [(1, 1)])
    with pytest.raises(UsageError, match="must be 1 or more, got 0"):
        evaluate(red, dataset, "test", **SIZE, limit=0)


def test_unknown_split_lists_the_available(dataset):
    with pytest.raises(UsageError, match="no split 'val'; available: test"):
        evaluate(red, dataset, "val", **SIZE)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (numbered_classes(3), "the model has 3 classes, .* has 4"),
        (
            tuple(ClassInfo(name, (0, 0, 0)) for name in ("floor", "door", "wall", "sky")),
            "class 1 is 'door' in the model and 'wall' in",
        ),
    ],
)
def test_other_classes_are_refused(dataset, classes, message):
    with pytest.raises(DataError, match=message):
        evaluate(red, dataset, "test", **SIZE, classes=classes)


def test_colours_of_classes_may_differ(dataset):
    classes = tuple(ClassInfo(info.name, (1, 2, 3)) for info in dataset.classes)
    assert evaluate(red, dataset, "test", **SIZE, classes=classes).full_miou == 1.0


def test_prediction_of_an_unknown_class_names_the_image(dataset):
    with pytest.raises(DataError, match=r"tall\.png: the model's answer .* value 9 .* trained on"):
        evaluate(lambda image: np.full_like(image[..., 0], 9), dataset, "test", **SIZE)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda image: image[:, :4, :, 0], r"\(1, 8, 8\) uint8, got \(1, 4, 8\)"),
        (lambda image: image[..., 0].astype(np.int64), "of int64"),
    ],
)
def test_answer_of_another_shape_is_refused(dataset, model, message):
    with pytest.raises(ContractError, match=message):
        evaluate(model, dataset, "test", **SIZE)


def test_report_is_json_without_nan(dataset, tmp_path):
    result = evaluate(red, dataset, "test", **SIZE)
    write_report(tmp_path / "out/report.json", result)
    report = json.loads((tmp_path / "out/report.json").read_text(encoding="utf-8"))
    assert report["schema"] == 1
    assert report["grid"]["miou"] == report["full"]["miou"] == 1.0
    assert report["grid"]["labels"] == "8x8 grid, area-majority labels"
    assert report["classes"][3] == {"name": "sky", "grid_iou": None, "full_iou": None}
    assert report["full"]["confusion"] == result.full_confusion.tolist()
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SinkError, match=r"report\.json: cannot write the report"):
        write_report(tmp_path / "file/report.json", result)


def test_rows_are_ready_to_print(dataset):
    rows = score_table(evaluate(red, dataset, "test", **SIZE)).rows
    assert rows[3] == ("sky", "0.00", "-", "-")
    assert rows[0] == ("floor", "9.15", "100.00", "100.00")


def test_confusion_of_another_size_is_refused(dataset):
    with pytest.raises(ContractError, match=r"4 classes have .* \(4, 4\), got \(2, 2\)"):
        Evaluation(
            dataset="x",
            split="test",
            images=1,
            classes=dataset.classes,
            height=8,
            width=8,
            resize="stretch",
            grid_confusion=np.zeros((4, 4), np.int64),
            full_confusion=np.zeros((2, 2), np.int64),
        )


def test_only_model_files_and_checkpoints_are_opened(tmp_path):
    with (
        pytest.raises(UsageError, match=r"net\.engine: .* an \.onnx, a \.pt or a \.pth file"),
        open_predictor(tmp_path / "net.engine"),
    ):
        pass
