"""A panoptic data set of real objects: cut out of photographs and set into real scenes."""

from maskattn_models.data.composed.grouping import GROUPS, group_of
from maskattn_models.data.composed.prepare import Composition, prepare_composed
from maskattn_models.data.composed.settings import CompositionSettings
from maskattn_models.data.composed.touching import clusters_of, touching_share

__all__ = [
    "GROUPS",
    "Composition",
    "CompositionSettings",
    "clusters_of",
    "group_of",
    "prepare_composed",
    "touching_share",
]
