"""COCO's super-categories: few photographs have few objects of a class, but more of a kind.

Source: the field `supercategory` in COCO's instances_val2017.json, with "person" as it is.
"""

from __future__ import annotations

GROUPS: dict[str, tuple[str, ...]] = {
    "person": ("person",),
    "vehicle": (
        "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    ),
    "outdoor": ("traffic light", "fire hydrant", "stop sign", "parking meter", "bench"),
    "animal": (
        "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe",
    ),
    "accessory": ("backpack", "umbrella", "handbag", "tie", "suitcase"),
    "sports": (
        "frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove",
        "skateboard", "surfboard", "tennis racket",
    ),
    "kitchen": ("bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl"),
    "food": (
        "banana", "apple", "sandwich", "orange", "broccoli", "carrot", "hot dog", "pizza", "donut",
        "cake",
    ),
    "furniture": ("chair", "couch", "potted plant", "bed", "dining table", "toilet"),
    "electronic": ("tv", "laptop", "mouse", "remote", "keyboard", "cell phone"),
    "appliance": ("microwave", "oven", "toaster", "sink", "refrigerator"),
    "indoor": (
        "book", "clock", "vase", "scissors", "teddy bear", "hair drier", "toothbrush",
    ),
}  # fmt: skip
"""Classes of each group; together they are the 80 classes of COCO that are things."""

_GROUP_OF = {name: group for group, names in GROUPS.items() for name in names}


def group_of(name: str) -> str:
    """The group of a class; one that COCO does not know stands for itself.

    >>> group_of("dog"), group_of("forklift")
    ('animal', 'forklift')
    """
    return _GROUP_OF.get(name, name)
