"""Published checkpoints are recognised by their keys, checked, and loaded with a warning."""

import json

import cv2
import numpy as np
import pytest
import torch

from maskattn_edge.contract.errors import CheckpointError, DataError, MaskAttnWarning
from maskattn_models.checkpoint import load_checkpoint, load_network, save_checkpoint
from maskattn_models.data import open_dataset
from maskattn_models.evaluation import evaluate_file
from maskattn_models.published import published_classes, read_published


@pytest.fixture(scope="module")
def state(published_state):
    return published_state(3, 16)


def saved(tmp_path, content):
    torch.save(content, tmp_path / "epoch.pth")
    return tmp_path / "epoch.pth"


def test_the_warning_names_what_is_missing_and_how_it_is_filled(published_checkpoint):
    message = (
        r"epoch\.pth: a published checkpoint, which lacks the key mask .*: every key is kept\. "
        r"It has 3 classes, numbered; other names go into epoch\.classes\.json"
    )
    with pytest.warns(MaskAttnWarning, match=message):
        checkpoint = load_checkpoint(published_checkpoint)
    assert "key mask was not saved, every key is kept" in checkpoint.training["data"]
    assert len(checkpoint.training["data"]) <= 256
    assert (checkpoint.input.height, checkpoint.input.width) == (16, 16)
    assert checkpoint.input.resize == "stretch"
    assert [info.name for info in checkpoint.classes] == ["0", "1", "2"]
    assert len(checkpoint.sha256) == 64
    assert not checkpoint.samples.calibration


@pytest.mark.filterwarnings("ignore::maskattn_edge.contract.errors.MaskAttnWarning")
def test_a_loaded_network_labels_images(published_checkpoint, state):
    network = load_network(published_checkpoint)
    image = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
    labels = network.predict(image)
    assert labels.shape == (2, 16, 16)
    assert len(np.unique(labels)) > 1
    weight = network.checkpoint.weights["attention3.query.weight"]
    torch.testing.assert_close(weight, state["self_attention3.query.weight"], rtol=0, atol=0)


@pytest.mark.parametrize(
    "held",
    [
        lambda state: state,
        lambda state: {f"module.{key}": value for key, value in state.items()},
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"model_state_dict": {f"module.{k}": v for k, v in state.items()}},
    ],
    ids=["plain", "module", "state_dict", "model_state_dict"],
)
def test_all_forms_hold_the_same_network(state, held):
    published = read_published(held(state))
    assert (published.config.classes, published.config.height) == (3, 16)
    assert published.weights["stem.0.weight"] is state["initial_conv.conv_block.0.weight"]
    assert not any("emb_layer" in name for name in published.weights)


@pytest.mark.parametrize(
    "content",
    [{"weight": torch.zeros(2)}, {"norm.weight": 1, "final_layer.bias": 2}, {1: 2}, [3]],
)
def test_another_file_is_not_a_published_one(content):
    assert read_published(content) is None


def without(state, key):
    return {name: value for name, value in state.items() if name != key}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: {f"module.{k}" if "norm" in k else k: v for k, v in s.items()},
            r"mixes two state dicts: 14 of its 291 keys begin with `module\.`",
        ),
        (lambda s: without(s, "final_layer.0.weight"), r"but lacks final_layer\.0\.weight$"),
        (lambda s: without(s, "bottom2.conv_block.3.weight"), r"lacks bottom2\.conv_block\.3\.w"),
        (
            lambda s: without(s, "norm.bias") | {"output_conv.weight": torch.zeros(1)},
            r"lacks norm\.bias and also has output_conv\.weight$",
        ),
        (
            lambda s: {k: v for k, v in s.items() if "emb_layer" not in k},
            r"lacks downsample1\.emb_layer\.1\.weight and 11 more",
        ),
        (
            lambda s: s | {"self_attention1.key.weight": torch.zeros(2, 128)},
            r"its self_attention1\.key\.weight has the shape \(2, 128\), .* has \(128, 128\)",
        ),
        (lambda s: s | {"norm.weight": torch.zeros(64)}, r"its norm\.weight has the shape \(64,\)"),
        (
            lambda s: s | {"norm.weight": torch.zeros(64, 20, 16)},
            r"do not fit the published network: .* got 20x16",
        ),
        (lambda s: s | {"final_layer.0.bias": "x"}, r"final_layer\.0\.bias is str, a tensor is"),
    ],
)
def test_wrong_keys_are_one_line(state, tmp_path, change, message):
    with pytest.raises(CheckpointError, match=message) as caught:
        read_published(change(state))
    assert "\n" not in str(caught.value)


def test_an_error_names_the_file(state, tmp_path):
    path = saved(tmp_path, {"initial_conv.conv_block.0.weight": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"epoch\.pth: it has keys of the published network"):
        load_checkpoint(path)


def test_heads_of_the_instance_script_are_left_out(state):
    extra = {"boundary_head.0.weight": torch.zeros(1), "embedding_head.0.bias": torch.zeros(16)}
    published = read_published(state | extra)
    assert published.instance_heads
    assert published.weights.keys() == read_published(state).weights.keys()
    assert not read_published(state).instance_heads


@pytest.mark.parametrize(
    ("count", "first", "last", "source"),
    [
        (133, "person", "rug-merged", "COCO panoptic"),
        (151, "other", "flag", "ADE20K"),
        (19, "unlabeled", "polegroup", "Cityscapes label ids"),
        (5, "0", "4", "numbered"),
    ],
)
def test_classes_are_named_by_their_number(tmp_path, count, first, last, source):
    classes, said = published_classes(count, own=tmp_path / "none.json")
    assert len(classes) == count
    assert (classes[0].name, classes[-1].name) == (first, last)
    assert source in said


def test_the_instance_scripts_classes_are_not_known(tmp_path):
    classes, _ = published_classes(19, own=tmp_path / "none.json", instance_heads=True)
    assert classes[0].name == "0"


def test_classes_may_be_named_by_hand(tmp_path):
    own = tmp_path / "epoch.classes.json"
    own.write_text('["floor", "wall"]')
    classes, said = published_classes(2, own=own)
    assert [info.name for info in classes] == ["floor", "wall"]
    assert said == "2 classes, named by a file beside it"
    with pytest.raises(DataError, match=r"names 2 classes, the network has 133"):
        published_classes(133, own=own)


@pytest.mark.filterwarnings("ignore::maskattn_edge.contract.errors.MaskAttnWarning")
def test_it_is_not_saved_in_our_form(published_checkpoint, tmp_path):
    with pytest.raises(CheckpointError, match="a published network has a form of its own"):
        save_checkpoint(tmp_path / "best.pt", load_checkpoint(published_checkpoint))


@pytest.mark.filterwarnings("ignore::maskattn_edge.contract.errors.MaskAttnWarning")
def test_it_is_evaluated(published_checkpoint, tmp_path):
    rng = np.random.default_rng(0)
    for kind, shape in (("images", (20, 30, 3)), ("masks", (20, 30))):
        (tmp_path / kind / "test").mkdir(parents=True)
        for index in range(2):
            picture = rng.integers(0, 3, shape, np.uint8) * (100 if kind == "images" else 1)
            cv2.imwrite(str(tmp_path / kind / f"test/{index}.png"), picture)
    (tmp_path / "classes.json").write_text(json.dumps(["0", "1", "2"]))
    result = evaluate_file(published_checkpoint, open_dataset(tmp_path), "test")
    assert int(result.full_confusion.sum()) == 2 * 20 * 30
    assert result.model == "epoch.pth"
