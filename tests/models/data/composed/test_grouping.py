from maskattn_models.data.class_tables import coco_things
from maskattn_models.data.composed import GROUPS, group_of


def test_the_groups_are_the_things_of_coco():
    names = [name for group in GROUPS.values() for name in group]
    assert sorted(names) == sorted(info.name for info in coco_things().classes)


def test_names_have_their_group_or_stand_for_themselves():
    assert [group_of(name) for name in ("zebra", "person", "forklift")] == [
        "animal", "person", "forklift",
    ]  # fmt: skip
