import pytest

from maskattn_edge.cli.recipe import Recipe
from maskattn_edge.contract.errors import UsageError
from maskattn_models.network import NetworkConfig
from maskattn_models.training import AugmentSettings, TrainingSettings


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"resident_share": 1.5}, "resident share must be 0 to 1, got 1.5"),
        ({"epochs": 0}, "epochs must be 1 to 1e.06, got 0"),
        ({"batch": 0}, "batch must be 1 to 65536, got 0"),
        ({"learning_rate": 0.0}, "learning rate must be 1e-08 to 10, got 0"),
        ({"learning_rate": float("nan")}, "learning rate must be .* got nan"),
        ({"weight_decay": -1.0}, "weight decay must be 0 to 10, got -1"),
        ({"ema_decay": 1.0}, "ema decay must be"),
        ({"loss": "focal"}, "unknown loss 'focal'; available: cross-entropy, cross-entropy.dice"),
        ({"teacher_weight": 1.5}, "teacher weight must be 0 to 1, got 1.5"),
        ({"teacher_temperature": 0.0}, "teacher temperature must be 0.1 to 100, got 0"),
        ({"seed": -1}, "seed must be"),
        ({"patience": 0}, "patience must be 1 to"),
        ({"working_scale": 0.5}, "working scale must be 1 to 4, got 0.5"),
        ({"device": "tpu"}, "unknown device 'tpu'; available: auto, cpu, cuda"),
        ({"resize": "crop"}, "unknown resize 'crop'; available: stretch, letterbox"),
        ({"precision": "fp8"}, "unknown precision 'fp8'; available: auto, fp32, bf16"),
        ({"class_weights": "x"}, "unknown class weights 'x'; available: equal, sqrt"),
    ],
)
def test_wrong_settings_are_refused(wrong, message):
    with pytest.raises(UsageError, match=message):
        TrainingSettings(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"scale": (1.0, 0.5)}, "scale is a range within 0.1 to 4, got 1.0 to 0.5"),
        ({"scale": (0.0, 1.0)}, "scale is a range"),
        ({"flip": 1.5}, "flip must be 0 to 1, got 1.5"),
        ({"noise": -0.1}, "noise must be 0 to 1"),
        ({"cutmix": 1.5}, "cutmix must be 0 to 1, got 1.5"),
        ({"rotation_deg": 190.0}, "rotation deg must be 0 to 180"),
    ],
)
def test_wrong_augmentation_is_refused(wrong, message):
    with pytest.raises(UsageError, match=message):
        AugmentSettings(**wrong)


def test_the_learning_rate_grows_with_the_root_of_the_batch():
    assert TrainingSettings(batch=32).peak_learning_rate == 1e-3
    assert TrainingSettings(batch=128).peak_learning_rate == pytest.approx(2e-3)


def test_the_command_lines_defaults_are_the_librarys():
    assert Recipe().training() == TrainingSettings()
    assert Recipe().network(classes=3) == NetworkConfig(classes=3)
