import json

import pytest

from maskattn_benchmarks.training_speed import TrainingSpeed, main, table, training_speed
from maskattn_edge.contract.errors import UsageError
from maskattn_models.network import NetworkConfig
from maskattn_models.training import TrainingSettings

CONFIG = NetworkConfig(classes=3, size="n", height=32, width=32)
SETTINGS = TrainingSettings(batch=4, device="cpu")
TINY = ["--size", "n", "--height", "32", "--width", "32", "--classes", "3", "--batch", "4"]


def test_the_figure_is_images_over_seconds():
    ticks = iter([10.0, 10.5])
    eager, graph = training_speed(CONFIG, SETTINGS, steps=5, images=8, clock=lambda: next(ticks))
    assert eager == TrainingSpeed(mode="eager", steps=5, images_per_second=40.0)
    assert graph.images_per_second is None
    assert graph.note == "not measured: a CUDA graph needs CUDA"


def test_a_table_and_json(tmp_path, capsys):
    path = tmp_path / "speed.json"
    words = [*TINY, "--steps", "2", "--images", "8", "--device", "cpu", "--json", str(path)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert said.startswith("training size n, 32x32, 3 classes, batch 4, 2 steps on cpu")
    assert "not measured" in said
    report = json.loads(path.read_text())
    eager, graph = report["results"]
    assert f"{eager['images_per_second']:,.1f}" in said
    assert (eager["steps"], graph["steps"]) == (2, 0)
    assert report["settings"]["batch"] == 4
    assert report["versions"]["torch"]


def test_the_table_shows_memory_where_there_is_some():
    rows = [TrainingSpeed(mode="graph", images_per_second=1234.5, peak_memory_bytes=3 * 2**29)]
    assert table(rows).splitlines()[1].split() == ["graph", "1,234.5", "1.50", "GiB"]


def test_wrong_words(capsys):
    with pytest.raises(UsageError, match="at least a batch of 4 images, got 5 steps and 3 images"):
        training_speed(CONFIG, SETTINGS, steps=5, images=3)
    assert main([*TINY, "--device", "tpu"]) == 2
    assert "unknown device 'tpu'" in capsys.readouterr().err


def test_where_the_time_goes(capfd):
    words = [*TINY, "--steps", "1", "--images", "4", "--device", "cpu", "--kernels"]
    assert main(words) == 0
    said = capfd.readouterr().out
    assert "aten::convolution_backward" in said
    assert "Self CPU" in said
