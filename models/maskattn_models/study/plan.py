"""What is compared with what."""

from __future__ import annotations

from dataclasses import dataclass, replace

from maskattn_models.network import NetworkConfig


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One of the things compared: an ordinary training run but for what is named here.

    Args:
        name: of its folder.
        title: in tables.
        attention: see `NetworkConfig`; None leaves it to the study's network.
        fraction: of the training images.
        mask_share: see `TrainingSettings`.
    """

    name: str
    title: str
    attention: str | None = None
    fraction: float = 1.0
    mask_share: float | None = None

    def network(self, common: NetworkConfig) -> NetworkConfig:
        """The network of its runs, from the one that all runs of a study have in common."""
        return common if self.attention is None else replace(common, attention=self.attention)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A study: its arms, and the one that the others are compared with, seed by seed."""

    name: str
    title: str
    arms: tuple[Arm, ...]
    baseline: str


FRACTIONS = Plan(
    name="fractions",
    title="Share of the training images",
    arms=tuple(
        Arm(name=f"{percent:03d}", title=f"{percent} %", fraction=percent / 100)
        for percent in (10, 25, 50, 75, 100)
    ),
    baseline="100",
)

ABLATION = Plan(
    name="ablation",
    title="What follows the stages on the grids 1/8 and 1/16",
    arms=(
        Arm(name="none", title="nothing", attention="none"),
        Arm(name="convolution", title="convolution 3x3", attention="convolution"),
        Arm(name="plain", title="attention without mask", attention="plain"),
        Arm(name="masked", title="mask attention", attention="masked"),
    ),
    baseline="none",
)

ATTENTION = Plan(
    name="attention",
    title="Kinds of attention, and where it pays",
    arms=(
        Arm(name="masked", title="hard mask as bias, 1/8 + 1/16", attention="masked"),
        Arm(
            name="masked_share",
            title="the same, 50 % of the keys asked for",
            attention="masked",
            mask_share=0.5,
        ),
        Arm(name="pooled", title="mask-weighted pooled keys", attention="pooled"),
        Arm(name="top_k", title="top-K gather, score added", attention="top_k"),
        Arm(name="plain", title="attention without mask", attention="plain"),
        Arm(name="convolution", title="convolution 3x3", attention="convolution"),
        Arm(name="none", title="nothing", attention="none"),
        Arm(name="masked_8", title="hard mask, 1/8 only", attention="masked_8"),
        Arm(name="masked_16", title="hard mask, 1/16 only", attention="masked_16"),
        Arm(
            name="masked_decoder",
            title="hard mask, 1/8 + 1/16 + decoder 1/8",
            attention="masked_decoder",
        ),
    ),
    baseline="masked",
)

PLANS = {plan.name: plan for plan in (FRACTIONS, ABLATION, ATTENTION)}
