"""Distillation, its loss and the run that uses it."""

import math
from dataclasses import replace

import pytest
import torch

from maskattn_edge.contract.classes import numbered_classes
from maskattn_edge.contract.errors import UsageError
from maskattn_edge.contract.spec import InputSpec
from maskattn_models.checkpoint import Checkpoint, load_checkpoint
from maskattn_models.network import Deployed, NetworkConfig, build_network
from maskattn_models.training import TrainingInterrupted, TrainingSettings, train
from maskattn_models.training.distillation import Teacher, check_teacher, distillation_loss

SETTINGS = TrainingSettings(epochs=1, batch=4, device="cpu", samples=False)


def test_the_loss_is_the_softened_divergence_of_each_pixel():
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 2, 3, 1, 2).unbind(0)
    expected = []
    for b in range(2):
        for x in range(2):
            p, q = (
                [math.exp(v / 3) for v in logits[b, :, 0, x].tolist()]
                for logits in (teacher, student)
            )
            p, q = [v / sum(p) for v in p], [v / sum(q) for v in q]
            expected.append(sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)))
    loss = distillation_loss(student, teacher, temperature=3.0)
    assert loss.item() == pytest.approx(9 * sum(expected) / 4, rel=1e-5)


def test_equal_answers_cost_nothing():
    logits = torch.randn(1, 3, 2, 2)
    assert distillation_loss(logits, logits + 5, temperature=2.0).item() == pytest.approx(
        0, abs=1e-6
    )


def test_only_the_student_learns_and_extreme_logits_are_finite():
    student = torch.tensor([500.0, -500.0]).view(1, 2, 1, 1).requires_grad_()
    teacher = torch.tensor([-500.0, 500.0]).view(1, 2, 1, 1).requires_grad_()
    loss = distillation_loss(student, teacher, temperature=1.0)
    loss.backward()
    assert loss.isfinite()
    assert student.grad.isfinite().all()
    assert student.grad.any()
    assert teacher.grad is None


@pytest.fixture(scope="module")
def teacher():
    """Another architecture than the student's, with another normalisation."""
    torch.manual_seed(1)
    config = NetworkConfig(classes=2, size="n", height=32, width=32, backbone="efficientnet-lite0")
    return Checkpoint(
        network=config,
        weights=build_network(config).state_dict(),
        classes=numbered_classes(2),
        input=InputSpec(height=32, width=32),
        sha256="ab" * 32,
    )


def test_the_teacher_answers_as_it_is_deployed(teacher):
    pixels = torch.randint(0, 256, (2, 32, 32, 3)).float()
    before = {name: value.clone() for name, value in teacher.weights.items()}
    logits = Teacher(teacher, torch.device("cpu")).logits(pixels)
    labels = Deployed(teacher.build())(pixels.byte())
    assert torch.equal(logits.argmax(1).byte(), labels)
    assert not logits.requires_grad
    for name, value in teacher.weights.items():
        assert torch.equal(value, before[name])


def named(teacher, squares):
    return replace(teacher, classes=squares.classes)


def test_a_run_learns_from_its_teacher(teacher, squares, tiny, tmp_path):
    teacher = named(teacher, squares)
    alone = train(squares, tiny, SETTINGS, tmp_path / "alone")
    taught = train(squares, tiny, SETTINGS, tmp_path / "taught", teacher=teacher)
    assert taught.training["run"]["teacher"] == teacher.sha256
    assert alone.training["run"]["teacher"] is None
    assert not torch.equal(alone.weights["head.weight"], taught.weights["head.weight"])
    unheard = train(
        squares, tiny, replace(SETTINGS, teacher_weight=0.0), tmp_path / "unheard", teacher=teacher
    )
    assert torch.equal(alone.weights["head.weight"], unheard.weights["head.weight"])


def test_the_student_comes_nearer_to_its_teacher(teacher, squares, tiny, tmp_path):
    teacher = named(teacher, squares)
    settings = replace(SETTINGS, epochs=20, teacher_weight=1.0, learning_rate=5e-3)
    train(squares, tiny, settings, tmp_path / "run", teacher=teacher)
    losses = [row["loss"] for row in load_checkpoint(tmp_path / "run" / "last.pt").history]
    assert losses[-1] < 0.5 * losses[0]


def test_a_taught_run_that_was_interrupted_goes_on_as_if_it_was_not(
    teacher, squares, tiny, tmp_path
):
    teacher, settings = named(teacher, squares), replace(SETTINGS, epochs=2)
    whole = train(squares, tiny, settings, tmp_path / "whole", teacher=teacher)
    asked = iter([False] * (12 + 2) + [True])  # once an image read, once a step: in epoch 2
    with pytest.raises(TrainingInterrupted, match="interrupted in epoch 2"):
        train(squares, tiny, settings, tmp_path / "run", teacher=teacher, stop=lambda: next(asked))
    train(squares, tiny, settings, tmp_path / "run", teacher=teacher, resume=True)
    resumed = load_checkpoint(tmp_path / "run" / "last.pt")
    for name, value in load_checkpoint(tmp_path / "whole" / "last.pt").weights.items():
        assert torch.equal(value, resumed.weights[name]), name
    assert whole.training["run"] == resumed.training["run"]


def test_another_teacher_is_not_resumed_with(teacher, squares, tiny, tmp_path):
    teacher = named(teacher, squares)
    train(squares, tiny, SETTINGS, tmp_path / "run", teacher=teacher)
    with pytest.raises(UsageError, match="run to resume has teacher 'abab.*, this command None"):
        train(squares, tiny, SETTINGS, tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (numbered_classes(2), "class 0 is '0' for the teacher, 'ground' in the data set"),
        (1, "class 1 is 'missing' for the teacher, 'square' in the data set: choose a teacher"),
    ],
)
def test_a_teacher_of_other_classes_is_refused(teacher, squares, tiny, tmp_path, classes, message):
    classes = squares.classes[:classes] if isinstance(classes, int) else classes
    with pytest.raises(UsageError, match=message):
        train(squares, tiny, SETTINGS, tmp_path, teacher=replace(teacher, classes=classes))


@pytest.mark.parametrize(
    ("changes", "resize", "message"),
    [
        ({"height": 64}, "stretch", "sees images of 32x32 by stretch, this run 64x32 by stretch"),
        ({}, "letterbox", "this run 32x32 by letterbox: choose the same --height"),
    ],
)
def test_a_teacher_of_another_input_is_refused(teacher, squares, tiny, changes, resize, message):
    with pytest.raises(UsageError, match=message):
        check_teacher(named(teacher, squares), squares.classes, replace(tiny, **changes), resize)
