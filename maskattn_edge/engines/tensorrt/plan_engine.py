"""A plan as an engine of the runtime, wherever the plan came from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maskattn_edge.contract.model_file import ModelFile
from maskattn_edge.engines.engine import Engine
from maskattn_edge.engines.tensorrt.cuda import Cuda
from maskattn_edge.engines.tensorrt.library import load_tensorrt
from maskattn_edge.engines.tensorrt.plan import LoadedPlan


class PlanEngine(Engine):
    """A plan in memory, loaded as it is.

    Args:
        file: the model that it was built from.
        plan: the serialized engine.
        graph: whether a frame is one CUDA graph.
        dla: the DLA core that it was built for.
        in_place: as `LoadedPlan` has it.

    Raises:
        MissingDependencyError: TensorRT or cuda-bindings is not installed.
        EngineError: there is no GPU, or TensorRT refuses the plan.
    """

    name = "tensorrt"

    def __init__(
        self,
        file: ModelFile,
        plan: bytes,
        *,
        graph: bool = True,
        dla: int | None = None,
        in_place: bool | None = None,
    ) -> None:
        super().__init__(file)
        trt, cuda = load_tensorrt(), Cuda.open()
        self._where = cuda.facts().name if dla is None else f"{cuda.facts().name}, DLA {dla}"
        self._version = str(trt.__version__)
        self._plan = LoadedPlan(trt, cuda, plan, graph=graph, dla=dla, in_place=in_place)

    @property
    def device(self) -> str:
        """Where it runs, its activation memory, and why not as a graph."""
        memory = f"{self.activation_bytes / 1e6:.1f} MB of activations"
        refused = self._plan.graph_refused
        how = "" if refused is None else f", without a CUDA graph: {refused}"
        return f"{self._where}, TensorRT {self._version}, {memory}{how}"

    @property
    def activation_bytes(self) -> int:
        """Memory for what lies between the layers; engines of one thread share it."""
        return self._plan.activation_bytes

    @property
    def layers(self) -> int:
        """Layers that are left after fusion."""
        return self._plan.layers

    @property
    def uses_graph(self) -> bool:
        """Whether a frame is one graph launch."""
        return self._plan.uses_graph

    def __enter__(self) -> PlanEngine:
        return self

    def _run(self, image_nhwc: NDArray[np.uint8]) -> dict[str, NDArray[np.generic]]:
        outputs = self._plan.run(image_nhwc)
        self.gpu_ms = self._plan.gpu_ms
        return outputs

    def replay(self) -> None:
        """The last image once more, to the end of the GPU's work: what a frame costs at the least.

        Benchmarks compare `infer` with it.
        """
        self._plan.replay()

    def measure_gpu(self) -> None:
        """Time frames by CUDA's events."""
        self._plan.measure_gpu()

    def close(self) -> None:
        """Give device memory back."""
        self._plan.close()
