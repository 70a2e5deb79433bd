"""How good a graph is at its task: one number, on held-out images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from maskattn_edge.contract.model_file import describe, parse_model
from maskattn_edge.contract.spec import ModelSpec
from maskattn_edge.engines import open_engine
from maskattn_export.verify import Expected, labelled_miou, labelled_pq
from maskattn_models.answers import Answer

Metric = Literal["mIoU", "PQ", "agreement"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Judge:
    """Scores graphs by PQ where objects are told apart, else by mIoU, in points of 100.

    Without labels it is the agreement: the share of pixels with PyTorch's label.

    Args:
        images: (H, W, 3) uint8 RGB of the network's size, at least one.
        expected: PyTorch's answers for them, and what is known of the truth.
        spec: of the model.
    """

    images: Sequence[NDArray[np.uint8]]
    expected: Expected
    spec: ModelSpec
    metric: Metric = field(init=False)
    reference: float = field(init=False)  # PyTorch's own score

    def __post_init__(self) -> None:
        expected = self.expected
        metric = "PQ" if expected.segments else "mIoU" if expected.labels else "agreement"
        object.__setattr__(self, "metric", metric)
        object.__setattr__(self, "reference", self.score(expected.answers))

    @property
    def labelled(self) -> bool:
        """Whether scores are against the truth."""
        return self.metric != "agreement"

    @property
    def torch_miou(self) -> float:
        """PyTorch's mIoU, a fraction; NaN without labels."""
        labels = np.stack([one.labels for one in self.expected.answers])
        return labelled_miou(labels, self.expected.labels, len(self.spec.classes))

    @property
    def torch_pq(self) -> float:
        """PyTorch's PQ, a fraction; NaN where no objects are told apart or none are known."""
        return labelled_pq(self.expected.answers, self.expected, self.spec.task, self.spec.classes)

    @property
    def judged(self) -> int:
        """How many images count."""
        return len(self.expected.labels) if self.labelled else len(self.images)

    def __call__(self, model: onnx.ModelProto) -> float:
        """Score of a graph on ONNX Runtime."""
        data = describe(model.SerializeToString(), self.spec)
        with open_engine(parse_model(data, Path("candidate")), backend="onnxruntime") as engine:
            found = [engine.infer(image[None]) for image in self.images[: self.judged]]
        return self.score([Answer(labels=one.labels, instances=one.instances) for one in found])

    def score(self, answers: Sequence[Answer]) -> float:
        """Score of answers to the first `judged` images."""
        expected, classes = self.expected, self.spec.classes
        if self.metric == "PQ":
            return 100 * labelled_pq(answers, expected, self.spec.task, classes)
        labels = np.stack([answer.labels for answer in answers])
        if self.metric == "mIoU":
            return 100 * labelled_miou(labels, expected.labels, len(classes))
        same = labels == np.stack([one.labels for one in expected.answers])
        return 100 * float(np.mean(same))
