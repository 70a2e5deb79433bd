"""A model for use from Python: `open` it, call it with a picture."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from maskattn_edge.closing import Closing
from maskattn_edge.contract.errors import ContractError
from maskattn_edge.contract.model_file import ModelFile, read_model_file
from maskattn_edge.contract.spec import ModelSpec
from maskattn_edge.engines import Engine, open_engine
from maskattn_edge.engines.table import OnStep
from maskattn_edge.frame import Frame
from maskattn_edge.models import find_model
from maskattn_edge.segmentation import Segmentation
from maskattn_edge.segmenter import segment

ColorOrder = Literal["BGR", "RGB"]


class Model(Closing):
    """An open model: a picture in, its segmentation out. A context manager.

    The thread that opens a model is the one that may call and close it.

    `engine` is what it runs on; the model closes it.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._calls = 0
        self._open = True

    @property
    def spec(self) -> ModelSpec:
        """What the model file says of itself: classes, task, input and more."""
        return self.engine.spec

    def __call__(
        self, image: NDArray[np.uint8] | Frame, *, colors: ColorOrder = "BGR"
    ) -> Segmentation:
        """Segment one picture.

        Args:
            image: (H, W, 3) uint8 of any size, or a frame of a source. It is not copied: the
                result refers to it.
            colors: order of the channels: "BGR" as OpenCV reads, "RGB" as Pillow and ROS do.

        Returns:
            The labels, and how they lie in the picture.

        Raises:
            ContractError: the picture has another shape or dtype, or the model is closed.
            EngineError: the back end fails.
        """
        if not self._open:
            raise ContractError(f"{self.spec.name} was closed: open the model again")
        return segment(self.engine, self._frame(image, colors))

    def _frame(self, image: NDArray[np.uint8] | Frame, colors: ColorOrder) -> Frame:
        if colors not in ("BGR", "RGB"):
            raise ContractError(f"colors must be 'BGR' or 'RGB', got {colors!r}")
        if isinstance(image, Frame):
            return image
        frame = Frame(image_bgr=image, captured=time.monotonic(), index=self._calls)
        self._calls += 1
        if colors == "BGR":
            return frame
        swapped = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), np.uint8)
        return Frame(image_bgr=swapped, captured=frame.captured, index=frame.index)

    def close(self) -> None:
        """Give back what the engine holds; may be called twice."""
        if self._open:
            self._open = False
            self.engine.close()


def open(
    model: str | Path | ModelFile | None = None,
    *,
    engine: str = "auto",
    threads: int | None = None,
    cache: Path | None = None,
    on_skip: Callable[[str, str], None] | None = None,
    on_step: OnStep | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Model:
    """Load a model, and run it once, so that the first picture takes no longer than the others.

    Args:
        model: a model file or the name of a model, as `run` takes it; the shipped one if None.
        engine: as `--engine` takes it: "auto", "fastest" or a name.
        threads: CPU threads for one picture; None takes all cores that this process may use.
        cache: folder of what engines keep on this device; the user's cache folder if None.
        on_skip: told (engine, reason) of each engine that "auto" passed over.
        on_step: told (phase, done, total) where an engine must be built first.
        on_note: told in one line what "fastest" measured.

    Raises:
        UsageError: `engine` is unknown.
        ModelFileError: the file is not a model, or the engine refuses it.
        MissingDependencyError: the named engine is not installed.
        EngineError: the named engine has no device here.
    """
    if not isinstance(model, ModelFile):
        model = read_model_file(find_model(None if model is None else Path(model)))
    opened = open_engine(
        model,
        backend=engine,
        threads=threads,
        cache=cache,
        on_skip=on_skip,
        on_step=on_step,
        on_note=on_note,
    )
    size = opened.spec.input
    try:
        opened.infer(np.zeros((1, size.height, size.width, 3), np.uint8))
    except BaseException:
        opened.close()
        raise
    return Model(opened)
