"""What the labels of a published checkpoint mean: no names are saved, only their number is known.

The order is that of the published scripts. COCO: the 133 panoptic categories by ascending id, void
trained as the first. ADE20K: the raw values of its masks, 0 being "other", 151 in all. Cityscapes:
raw label ids 0..18, not train ids, in its semantic and panoptic scripts; which of the two its
instance script has trained depends on the files that it found.
"""

from __future__ import annotations

from pathlib import Path

from maskattn_edge.contract.classes import ClassInfo, numbered_classes, read_classes
from maskattn_edge.contract.errors import DataError

_TABLES = {
    133: ("COCO panoptic", "coco.json"),
    151: ("ADE20K with 0 = other", "ade20k.json"),
    19: ("Cityscapes label ids 0..18", "cityscapes.json"),
}


def published_classes(
    count: int, *, own: Path, instance_heads: bool = False
) -> tuple[tuple[ClassInfo, ...], str]:
    """Classes of a published network, and where their names come from.

    Args:
        count: number of its labels, 1..255.
        own: a `classes.json` that names them otherwise; used where it exists.
        instance_heads: whether they come from the Cityscapes instance script.

    Raises:
        DataError: `own` is not a list of `count` classes.
    """
    if own.exists():
        classes = read_classes(own)
        if len(classes) != count:
            raise DataError(f"{own}: names {len(classes)} classes, the network has {count}")
        return classes, f"{count} classes, named by a file beside it"
    if count in _TABLES and not instance_heads:
        source, file = _TABLES[count]
        classes = read_classes(Path(__file__).with_name("tables") / file)
        return classes, f"{count} classes, taken for {source}"
    return numbered_classes(count), f"{count} classes, numbered"
