"""Quantisation-aware fine-tuning: the roundings are the file's, and weights learn through them."""

import json
from dataclasses import replace

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from maskattn_edge.cli.app import run_command
from maskattn_edge.contract.errors import DataError, MaskAttnError, UsageError
from maskattn_edge.contract.model_file import read_model_file
from maskattn_edge.contract.spec import InputSpec
from maskattn_edge.latency import LatencySettings
from maskattn_export.apart import choosing_set, judging_samples
from maskattn_export.exporter import export_checkpoint
from maskattn_export.fold import fold_batch_norm
from maskattn_export.graph import to_onnx
from maskattn_export.int8 import place
from maskattn_export.int8.calibration import observe, with_ranges
from maskattn_export.int8.fake_quant import FakeQuantized, roundings
from maskattn_export.int8.qdq import quantized_tensors
from maskattn_export.int8.quantizers import finished
from maskattn_export.int8.tuning import tuned, tuning_settings
from maskattn_export.settings import ExportSettings
from maskattn_models.checkpoint import load_checkpoint
from maskattn_models.data import decode_split, open_dataset
from maskattn_models.network import Deployed, NetworkConfig, build_network

SIDE = 32
QUICK = LatencySettings(warmup_frames=0, min_frames=1, min_seconds=0)
NETWORKS = {
    "plain": {"attention": "none"},
    "masked attention": {"attention": "masked"},
    "backbone": {"backbone": "efficientnet-lite0"},
    "objects": {"task": "panoptic", "things": (1,)},
}


def coarse_image(rng):
    """As in conftest: blocks, bright or dark in the first channel."""
    labels = np.kron(rng.integers(0, 2, (4, 4), np.uint8), np.ones((8, 8), np.uint8))
    image = rng.integers(0, 80, (SIDE, SIDE, 3), np.uint8)
    image[..., 0] += labels * 150
    return image, labels


@pytest.fixture(scope="module")
def blocks(tmp_path_factory):
    """A data set of what the checkpoint was trained on."""
    root, rng = tmp_path_factory.mktemp("blocks") / "blocks", np.random.default_rng(1)
    for split, count in (("train", 16), ("val", 8)):
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for index in range(count):
            image, labels = coarse_image(rng)
            cv2.imwrite(str(root / "images" / split / f"{index}.png"), image[..., ::-1])
            cv2.imwrite(str(root / "masks" / split / f"{index}.png"), labels)
    (root / "classes.json").write_text('["0", "1"]')
    return root


def quantized(network, images, *, method="max"):
    graph = to_onnx(network, InputSpec(height=SIDE, width=SIDE))
    placed = place(graph, images, "onnxruntime")
    names = sorted({name for group in quantized_tensors(placed.graph).values() for name in group})
    return finished(with_ranges(placed, observe(graph, names, images), method))


def in_onnxruntime(model, tensor, image):
    """A float tensor of a Q/DQ graph, computed as written: nothing fused."""
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.append(
        onnx.helper.make_tensor_value_info(tensor, onnx.TensorProto.FLOAT, None)
    )
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return ort.InferenceSession(watched.SerializeToString(), options).run(
        None, {"image": image[None]}
    )[0]


@pytest.mark.parametrize("kind", NETWORKS)
def test_pytorch_rounds_what_the_file_rounds(kind):
    torch.manual_seed(0)
    config = NetworkConfig(classes=3, size="n", height=SIDE, width=SIDE, **NETWORKS[kind])
    network = build_network(config).eval()
    rng = np.random.default_rng(0)
    images = [coarse_image(rng)[0] for _ in range(8)]
    model = quantized(network, images)
    ours = Deployed(FakeQuantized(fold_batch_norm(network), model)).eval()
    plain = Deployed(network).eval()
    normal = ours.normalize(torch.from_numpy(images[0][None]).float())
    if config.finds_objects:
        found, exact = (one.network.heads(normal).centre for one in (ours, plain))
        name = next(n.output[0] for n in model.graph.node if n.name.startswith("object_head"))
        theirs = in_onnxruntime(model, name, images[0])[:, :1]
    else:
        found, exact = (one.network.coarse(normal) for one in (ours, plain))
        (head,) = (n for n in model.graph.node if n.name == "head.Conv")
        theirs = in_onnxruntime(model, head.output[0], images[0])
    found, exact = found.detach().numpy(), exact.detach().numpy()
    off, lost = np.abs(found - theirs).mean(), np.abs(exact - theirs).mean()
    assert off < 0.2 * lost  # what is left is of values on the edge between two steps
    assert lost > 0


def test_gradients_pass_through_the_roundings_but_not_beyond_the_range():
    torch.manual_seed(0)
    config = NetworkConfig(classes=2, size="n", height=SIDE, width=SIDE, dropout=0.0)
    network = build_network(config).eval()
    rng = np.random.default_rng(0)
    images = [coarse_image(rng)[0] for _ in range(8)]
    model = quantized(network, images)
    rounding = FakeQuantized(fold_batch_norm(network), model).train()
    rounding.coarse(torch.randn(1, 3, SIDE, SIDE)).square().sum().backward()
    reached = [p.grad is not None and bool(p.grad.any()) for p in rounding.parameters()]
    assert all(reached)
    value = torch.tensor([0.1, 1e6], requires_grad=True)
    (name, index), _ = next(iter(roundings(model.graph).operands.items()))
    rounding.rounded(name, index, value).sum().backward()
    assert value.grad.tolist() == [1.0, 0.0]


def test_weights_learn_what_coarse_scales_ruin(checkpoint_path, blocks):
    checkpoint = load_checkpoint(checkpoint_path)
    rng = np.random.default_rng(2)
    model = quantized(checkpoint.build(), [coarse_image(rng)[0] for _ in range(8)])
    scales = quantized_tensors(model.graph)
    for tensor in model.graph.initializer:
        if tensor.name in scales:
            coarser = 60 * onnx.numpy_helper.to_array(tensor)
            tensor.CopyFrom(onnx.numpy_helper.from_array(coarser, tensor.name))
    settings = replace(tuning_settings(checkpoint, epochs=4, device="cpu"), learning_rate=2e-3)
    steps = []
    network, tuning = tuned(
        checkpoint, model, open_dataset(blocks), settings, untuned_loss=1.0, on_step=steps.append
    )
    assert max(tuning.scores) == tuning.scores[tuning.best_epoch - 1] > tuning.before
    assert steps[0] == "INT8: fine-tuning on cpu, 4 epochs of 1 steps"
    weights = [
        dict(one.named_parameters()) for one in (network, fold_batch_norm(checkpoint.build()))
    ]
    assert all(not torch.equal(weights[0][name], weights[1][name]) for name in ("head.weight",))


def test_a_layer_that_is_not_known_is_said():
    network = build_network(NetworkConfig(classes=2, size="n", height=SIDE, width=SIDE)).eval()
    rng = np.random.default_rng(0)
    model = quantized(network, [coarse_image(rng)[0] for _ in range(8)])
    next(n for n in model.graph.node if n.name == "decode2.0.Conv").name = "other.Conv"
    with pytest.raises(MaskAttnError, match="does not know the layer other.Conv"):
        FakeQuantized(fold_batch_norm(network), model)


def test_an_export_with_fine_tuning(checkpoint_path, blocks, tmp_path):
    settings = ExportSettings(
        precisions=("int8",), qat=2, data=blocks, device="cpu", quantizer="onnxruntime"
    )
    steps = []
    report = export_checkpoint(
        checkpoint_path, settings, folder=tmp_path, timing=QUICK, on_step=steps.append
    )
    assert any(step.startswith("INT8: fine-tuned for 2 of 2 epochs, loss ") for step in steps)
    facts = json.loads((tmp_path / "best.int8.json").read_text())["tuning"]
    assert (facts["epochs"], facts["images"], len(facts["scores"])) == (2, 16, 2)
    assert (facts["choosing"], report.images) == (4, 4)
    text = (tmp_path / "best.int8.md").read_text()
    assert "Quantisation-aware fine-tuning on 16 images, 2 epochs chosen on 4 images" in text
    method = read_model_file(tmp_path / "best.int8.onnx").spec.precision.method
    assert ("of a fine-tuning" in method) == report.int8.tunes


@pytest.mark.parametrize("split", ["val", "test"])
def test_no_image_chooses_and_judges(blocks, split):
    dataset = open_dataset(blocks)
    dataset = replace(dataset, splits={**dataset.splits, "test": dataset.split("train")})
    chosen = choosing_set(dataset, split).split("val")
    judging = judging_samples(dataset, split)
    assert not {one.image for one in chosen} & {one.image for one in judging}
    assert len(chosen) == (4 if split == "val" else 8)
    assert len(judging) == (4 if split == "val" else 16)


def test_a_prepared_set_gives_no_arrays_of_images_that_judge(blocks):
    asked = []
    dataset = replace(open_dataset(blocks), prepared=lambda split, *size: asked.append(split))
    store = decode_split(choosing_set(dataset, "val"), "val", height=8, width=8, resize="stretch")
    assert (len(store), asked) == (4, [])
    decode_split(choosing_set(dataset, "val"), "train", height=8, width=8, resize="stretch")
    assert asked == ["train"]


def test_one_image_cannot_choose_and_judge(blocks):
    dataset = open_dataset(blocks)
    alone = replace(dataset, splits={"val": dataset.split("val")[:1]})
    with pytest.raises(DataError, match="'val' has 1 image, too few for one half to choose"):
        judging_samples(alone, "val")


def test_the_command_needs_training_data(checkpoint_path, tmp_path, capsys):
    command = ["export", str(checkpoint_path), "--int8", "--qat", "2", "--out", str(tmp_path)]
    assert run_command(command) == 2
    assert "give the data set with --data DIR" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_wrong_settings(blocks):
    with pytest.raises(UsageError, match="--qat fine-tunes for INT8: give --int8 too"):
        ExportSettings(qat=1, data=blocks)
    with pytest.raises(UsageError, match="--qat takes 1 to 10000 epochs, got 0"):
        ExportSettings(precisions=("int8",), qat=0, data=blocks)
    with pytest.raises(UsageError, match="--qat learns from the split train"):
        ExportSettings(precisions=("int8",), qat=1, data=blocks, split="train")
