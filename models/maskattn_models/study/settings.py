"""What all runs of a study have in common, and how that is noted."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from maskattn_edge.contract.errors import UsageError
from maskattn_models.data import DataSet, content_hash
from maskattn_models.network import NetworkConfig
from maskattn_models.study.plan import Arm, Plan
from maskattn_models.training import TrainingSettings


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    """What all runs of a study have in common.

    Args:
        network: of the data's classes; an arm that names an attention replaces its own.
        training: its seed and mask share are replaced by each run's.
        seeds: 0, 1, ... so many.
        split: that is scored, e.g. "test".

    Raises:
        UsageError: there is no seed.
    """

    network: NetworkConfig
    training: TrainingSettings = field(default_factory=lambda: TrainingSettings(samples=False))
    seeds: int = 3
    split: str = "test"

    def __post_init__(self) -> None:
        if not 1 <= self.seeds <= 1000:
            raise UsageError(f"a study has 1 to 1000 seeds, got {self.seeds}")


def describe(plan: Plan, dataset: DataSet, settings: StudySettings) -> dict[str, Any]:
    """What decides a study, as plain data; the number of seeds does not."""
    training = asdict(settings.training)
    del training["seed"], training["mask_share"]
    splits = dict.fromkeys(("train", "val", settings.split))
    return {
        "plan": plan.name,
        "arms": {arm.name: _describe_arm(arm, settings) for arm in plan.arms},
        "data": dataset.name,
        "contents": {split: content_hash(dataset, split) for split in splits},
        "split": settings.split,
        "network": asdict(settings.network),
        "settings": training,
    }


def recipe_of(plan: Plan, settings: StudySettings) -> dict[str, str | float]:
    """What all runs have in common of what may be chosen, by the names that tables give it."""
    network, training = settings.network, settings.training
    recipe: dict[str, str | float] = {}
    if any(arm.attention is None for arm in plan.arms):
        recipe["attention"] = network.attention
    if network.backbone is not None:
        weights = "ImageNet" if training.pretrained else "random"
        recipe["backbone"] = f"{network.backbone} from {weights} weights"
    recipe["loss"] = training.loss
    recipe["CutMix"] = training.augment.cutmix
    recipe["learning rate"] = training.learning_rate
    recipe["weight decay"] = training.weight_decay
    return recipe


def _describe_arm(arm: Arm, settings: StudySettings) -> dict[str, Any]:
    return asdict(arm) | {"attention": arm.network(settings.network).attention}
