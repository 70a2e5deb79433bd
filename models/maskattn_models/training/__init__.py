"""Training: from a data set in memory to a checkpoint with curves and pictures."""

from maskattn_models.training.device import choose_device
from maskattn_models.training.finetune import FineTuned, fine_tune, settings_of
from maskattn_models.training.history import EpochRow
from maskattn_models.training.interruption import TrainingInterrupted, stop_on_signal
from maskattn_models.training.observer import Observer
from maskattn_models.training.performance import device_name
from maskattn_models.training.ranks import Ranks, joined
from maskattn_models.training.settings import AugmentSettings, TrainingSettings
from maskattn_models.training.speed import Stepper
from maskattn_models.training.trainer import train

__all__ = [
    "AugmentSettings",
    "EpochRow",
    "FineTuned",
    "Observer",
    "Ranks",
    "Stepper",
    "TrainingInterrupted",
    "TrainingSettings",
    "choose_device",
    "device_name",
    "fine_tune",
    "joined",
    "settings_of",
    "stop_on_signal",
    "train",
]
