from dataclasses import replace

import pytest

from maskattn_edge.contract.errors import UsageError
from maskattn_models.study.subset import drawn, training_fraction


def names(dataset, split="train"):
    return [sample.image.name for sample in dataset.split(split)]


@pytest.mark.parametrize(("fraction", "images"), [(0.1, 1), (0.25, 2), (0.5, 4), (0.75, 6), (1, 8)])
def test_a_share_has_so_many_images_and_as_many_steps(squares, fraction, images):
    part = training_fraction(squares, fraction, seed=0)
    assert len(set(names(part))) == images
    assert len(names(part)) == 8
    counts = [names(part).count(name) for name in set(names(part))]
    assert max(counts) - min(counts) <= 1
    for split in ("val", "test"):
        assert names(part, split) == names(squares, split)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_shares_are_nested(squares, seed):
    shares = [set(names(training_fraction(squares, f, seed=seed))) for f in (0.1, 0.25, 0.5, 1)]
    assert shares == sorted(shares, key=len)
    assert all(small < large for small, large in zip(shares, shares[1:], strict=False))


def test_a_seed_draws_the_same_images_again_and_another_others(squares):
    assert drawn(squares, 0) == drawn(squares, 0)
    assert drawn(squares, 0) != drawn(squares, 1)
    assert names(training_fraction(squares, 0.5, seed=3)) == names(
        training_fraction(squares, 0.5, seed=3)
    )


def test_the_draw_depends_on_names_alone(squares):
    backwards = {**squares.splits, "train": squares.split("train")[::-1]}
    assert drawn(replace(squares, splits=backwards), 0) == drawn(squares, 0)


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.5, float("nan")])
def test_a_share_out_of_range_is_refused(squares, fraction):
    with pytest.raises(UsageError, match="above 0 and up to 1, got"):
        training_fraction(squares, fraction, seed=0)
