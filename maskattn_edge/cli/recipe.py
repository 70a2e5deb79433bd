"""The options of a training that `train` and `study` share, and what they mean to the library."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, cast, get_type_hints

import typer

from maskattn_edge.cli import completion
from maskattn_edge.cli.completion import among
from maskattn_edge.contract.errors import UsageError

if TYPE_CHECKING:
    from maskattn_edge.contract.spec import Task
    from maskattn_edge.preprocess import Resize
    from maskattn_models.backbone import Backbone
    from maskattn_models.network import NetworkConfig, Size
    from maskattn_models.training import TrainingSettings
    from maskattn_models.training.settings import Device, Loss


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A network and how it is trained; each field is an option of the command line.

    Raises:
        UsageError: an option means nothing without another one.
    """

    size: Annotated[
        str,
        typer.Option(
            autocompletion=among(completion.SIZES), help="Size of the network: n, s, m or l."
        ),
    ] = "s"
    backbone: Annotated[
        str | None,
        typer.Option(
            autocompletion=among(completion.BACKBONES),
            help="Encoder pretrained on ImageNet: efficientnet-lite0. "
            "--size is then the decoder's.",
        ),
    ] = None
    no_pretrained: Annotated[
        bool, typer.Option("--no-pretrained", help="Start the backbone from random weights.")
    ] = False
    attention: Annotated[
        str,
        typer.Option(
            autocompletion=among(completion.ATTENTIONS),
            help="What follows the stages on the grids 1/8 and 1/16: none, convolution, plain or "
            "masked attention.",
        ),
    ] = "none"
    batch: Annotated[int, typer.Option(help="Images of one step, of all processes together.")] = 32
    lr: Annotated[
        float,
        typer.Option(help="Peak learning rate of a batch of 32; grows with the batch's root."),
    ] = 1e-3
    weight_decay: Annotated[float, typer.Option(help="Weight decay of AdamW.")] = 0.05
    loss: Annotated[
        str,
        typer.Option(
            autocompletion=among(completion.LOSSES),
            help="cross-entropy, cross-entropy+dice or cross-entropy+lovasz.",
        ),
    ] = "cross-entropy+dice"
    cutmix: Annotated[
        float, typer.Option(help="Share of images that get a rectangle of another one.")
    ] = 0.5
    resize: Annotated[
        str,
        typer.Option(
            autocompletion=among(completion.RESIZES),
            help="How images are brought to the network's size: stretch, letterbox.",
        ),
    ] = "stretch"
    height: Annotated[int, typer.Option(help="Height of the network's input in pixels.")] = 128
    width: Annotated[int, typer.Option(help="Width of the network's input in pixels.")] = 128
    device: Annotated[
        str, typer.Option(autocompletion=among(completion.DEVICES), help="auto, cpu or cuda.")
    ] = "auto"

    def __post_init__(self) -> None:
        check_needed("--backbone", self.backbone, {"--no-pretrained": self.no_pretrained or None})

    def network(
        self,
        *,
        classes: int,
        task: str = "semantic",
        things: tuple[int, ...] = (),
        peer: str | None = None,
    ) -> NetworkConfig:
        """The network; names are checked there, as those of `training`.

        Raises:
            UsageError: an option is unknown or out of range.
        """
        from maskattn_models.network import NetworkConfig

        return NetworkConfig(
            classes=classes,
            size=cast("Size", self.size),
            height=self.height,
            width=self.width,
            attention=self.attention,
            backbone=cast("Backbone | None", self.backbone),
            task=cast("Task", task),
            things=things,
            peer=peer,
        )

    def training(self, **others: Any) -> TrainingSettings:  # noqa: ANN401 - its own fields
        """How it is trained, with `others` of the settings beside.

        Raises:
            UsageError: an option is unknown or out of range.
        """
        from maskattn_models.training import AugmentSettings, TrainingSettings

        return TrainingSettings(
            batch=self.batch,
            learning_rate=self.lr,
            weight_decay=self.weight_decay,
            loss=cast("Loss", self.loss),
            pretrained=not self.no_pretrained,
            resize=cast("Resize", self.resize),
            device=cast("Device", self.device),
            augment=AugmentSettings(cutmix=self.cutmix),
            **others,
        )


def with_recipe(
    *, without: Sequence[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the fields of `Recipe` as options, in place of its parameter `recipe`.

    Args:
        without: fields that the command decides for itself; it gets their defaults.
    """
    hints = get_type_hints(Recipe, include_extras=True)
    options = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in fields(Recipe)
        if field.name not in without
    ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def decorated(**given: Any) -> None:  # noqa: ANN401 - of each option its own type
            recipe = Recipe(**{option.name: given.pop(option.name) for option in options})
            command(recipe=recipe, **given)

        signature = inspect.signature(command, eval_str=True)
        parameters = []
        for name, parameter in signature.parameters.items():
            own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)]
            parameters += options if name == "recipe" else own
        # What Typer reads: the signature, or the annotations by their names.
        decorated.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        decorated.__annotations__ = {one.name: one.annotation for one in parameters}
        return decorated

    return decorate


def check_needed(option: str, given: object, others: dict[str, object]) -> None:
    """Refuse options that mean nothing without another one.

    Raises:
        UsageError: `given` is None, and one of the `others` is not.
    """
    for name, value in others.items():
        if given is None and value is not None:
            raise UsageError(f"{name} means nothing without {option}: add it, or leave {name} out")
