"""The eight classes of the generated world, and the colours to draw them in."""

from __future__ import annotations

from maskattn_edge.contract.classes import ClassInfo

FLOOR, WALL, DOOR, BOX, PERSON, BOTTLE, RAMP, CABLE = range(8)

CLASSES: tuple[ClassInfo, ...] = (
    ClassInfo("floor", (148, 163, 184)),
    ClassInfo("wall", (71, 85, 105)),
    ClassInfo("door", (180, 83, 9)),
    ClassInfo("box", (250, 204, 21), thing=True),
    ClassInfo("person", (239, 68, 68), thing=True),
    ClassInfo("bottle", (34, 197, 94), thing=True),
    ClassInfo("ramp", (59, 130, 246), thing=True),
    ClassInfo("cable", (217, 70, 239), thing=True),
)
"""Classes of every generated frame, in label order. A ceiling and a pillar count as wall."""
