"""Studies: the same training run with one thing changed, over several seeds, with statistics."""

from maskattn_models.study.conduct import StudyObserver, conduct
from maskattn_models.study.plan import ABLATION, ATTENTION, FRACTIONS, PLANS, Arm, Plan
from maskattn_models.study.report import conditions
from maskattn_models.study.results import RunResult, StudyResult, read_result
from maskattn_models.study.settings import StudySettings
from maskattn_models.study.summary import (
    ArmSummary,
    Spread,
    spread_of,
    summarise,
    table,
    to_percent,
)

__all__ = [
    "ABLATION",
    "ATTENTION",
    "FRACTIONS",
    "PLANS",
    "Arm",
    "ArmSummary",
    "Plan",
    "RunResult",
    "Spread",
    "StudyObserver",
    "StudyResult",
    "StudySettings",
    "conditions",
    "conduct",
    "read_result",
    "spread_of",
    "summarise",
    "table",
    "to_percent",
]
