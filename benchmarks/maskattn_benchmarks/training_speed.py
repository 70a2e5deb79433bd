"""How fast a network trains on this device, step by step and as a CUDA graph.

Run as `python -m maskattn_benchmarks.training_speed --size s --batch 32 --steps 2000`. Images
are random, of the working size that training keeps them in; validation and files are left out.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from maskattn_edge._version import __version__
from maskattn_edge.contract.atomic import write_text
from maskattn_edge.contract.errors import MaskAttnError, UsageError
from maskattn_edge.optional import require

if TYPE_CHECKING:
    import torch

    from maskattn_models.data import GridStore
    from maskattn_models.network import NetworkConfig
    from maskattn_models.training import TrainingSettings

Mode = Literal["eager", "graph"]

WARMUP_STEPS = 20
"""Steps before the clock starts: kernels are chosen, memory is taken."""


@dataclass(frozen=True, kw_only=True)
class TrainingSpeed:
    """What one way of running the steps costs.

    Args:
        mode: how steps are run.
        steps: that were timed.
        images_per_second: over all of them; None where this mode could not be run.
        peak_memory_bytes: most that PyTorch has held on the GPU; None on the CPU.
        note: why there is no figure.
    """

    mode: Mode
    steps: int = 0
    images_per_second: float | None = None
    peak_memory_bytes: int | None = None
    note: str = ""


def training_speed(
    config: NetworkConfig,
    settings: TrainingSettings,
    *,
    steps: int,
    images: int = 512,
    clock: Callable[[], float] = time.perf_counter,
) -> list[TrainingSpeed]:
    """Time training steps, eager first, each way from the same fresh state.

    Args:
        config: of the network.
        settings: batch, device, precision, augmentation and where images are kept.
        steps: to time, after `WARMUP_STEPS` more.
        images: random ones to draw batches from.
        clock: in seconds.

    Raises:
        UsageError: a number is out of range, or CUDA is asked for and not there.
    """
    from maskattn_models.training import choose_device

    if steps < 1 or images < settings.batch:
        raise UsageError(
            f"needs 1 step or more and at least a batch of {settings.batch} images, got {steps} "
            f"steps and {images} images"
        )
    device, store = choose_device(settings.device), _random_store(config, settings, images)
    modes: tuple[Mode, ...] = ("eager", "graph")
    return [_time(mode, config, settings, store, device, steps, clock) for mode in modes]


def _time(
    mode: Mode,
    config: NetworkConfig,
    settings: TrainingSettings,
    store: GridStore,
    device: torch.device,
    steps: int,
    clock: Callable[[], float],
) -> TrainingSpeed:
    from maskattn_models.training import Stepper

    if mode == "graph" and device.type != "cuda":
        return TrainingSpeed(mode=mode, note="not measured: a CUDA graph needs CUDA")
    stepper = Stepper(config, replace(settings, graph=mode == "graph"), store, device)
    if stepper.warning:
        return TrainingSpeed(mode=mode, note=f"not measured: {stepper.warning}")
    stepper.run(WARMUP_STEPS)
    start = clock()
    stepper.run(steps)
    seconds = clock() - start
    return TrainingSpeed(
        mode=mode,
        steps=steps,
        images_per_second=steps * settings.batch / seconds,
        peak_memory_bytes=stepper.peak_memory_bytes(),
    )


def _random_store(config: NetworkConfig, settings: TrainingSettings, images: int) -> GridStore:
    from maskattn_models.data import GridStore

    rng, scale = np.random.default_rng(settings.seed), settings.working_scale
    shape = images, round(config.height * scale), round(config.width * scale)
    return GridStore(
        images=rng.integers(0, 256, (*shape, 3), np.uint8),
        labels=rng.integers(0, config.classes, shape, np.uint8),
    )


def slowest_kernels(
    config: NetworkConfig, settings: TrainingSettings, *, images: int = 512, steps: int = 20
) -> str:
    """What the time of a step goes to: a table of the kernels (operators on a CPU), longest first.

    Profiled apart from the timing, because a profiler slows what it looks at.
    """
    import torch
    from torch.profiler import ProfilerActivity, profile

    from maskattn_models.training import Stepper, choose_device

    device = choose_device(settings.device)
    stepper = Stepper(config, settings, _random_store(config, settings, images), device)
    stepper.run(WARMUP_STEPS)
    activities = [ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(ProfilerActivity.CUDA)
        torch.cuda.synchronize()
    with profile(activities=activities) as seen:
        stepper.run(steps)
    key = "self_cuda_time_total" if device.type == "cuda" else "self_cpu_time_total"
    return str(seen.key_averages().table(sort_by=key, row_limit=30, max_name_column_width=90))


def table(results: list[TrainingSpeed]) -> str:
    """The results as a small table, a line per mode."""
    lines = [f"{'mode':<8}{'images/s':>12}{'peak GPU memory':>20}"]
    for result in results:
        if result.images_per_second is None:
            lines.append(f"{result.mode:<8}{result.note}")
            continue
        peak = result.peak_memory_bytes
        memory = "-" if peak is None else f"{peak / 2**30:.2f} GiB"
        lines.append(f"{result.mode:<8}{result.images_per_second:>12,.1f}{memory:>20}")
    return "\n".join(lines)


def _report(
    config: NetworkConfig, settings: TrainingSettings, results: list[TrainingSpeed]
) -> dict[str, object]:
    from maskattn_models.training import choose_device, device_name

    return {
        "benchmark": "training_speed",
        "device": device_name(choose_device(settings.device)),
        "versions": {
            "maskattn_edge": __version__,
            "torch": str(require("torch", purpose="training", extra="train").__version__),
            "python": sys.version.split()[0],
        },
        "network": asdict(config),
        "settings": asdict(settings),
        "warmup_steps": WARMUP_STEPS,
        "results": [asdict(result) for result in results],
    }


def main(arguments: list[str] | None = None) -> int:
    """Print the speed of both modes and write it as JSON; returns the exit status."""
    chosen = _parser().parse_args(arguments)
    try:
        require("torch", purpose="training", extra="train")
        from maskattn_models.network import NetworkConfig
        from maskattn_models.training import TrainingSettings

        config = NetworkConfig(
            classes=chosen.classes, size=chosen.size, height=chosen.height, width=chosen.width
        )
        settings = TrainingSettings(
            batch=chosen.batch,
            device=chosen.device,
            precision=chosen.precision,
            loss=chosen.loss,
            resident_share=0.0 if chosen.streamed else 0.5,
        )
        results = training_speed(config, settings, steps=chosen.steps, images=chosen.images)
        report = _report(config, settings, results)
        if chosen.json is not None:
            write_text(chosen.json, json.dumps(report, indent=2) + "\n")
    except (MaskAttnError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 1)
    print(
        f"training size {config.size}, {config.height}x{config.width}, {config.classes} classes, "
        f"batch {settings.batch}, {chosen.steps} steps on {report['device']}"
    )
    print(table(results))
    if chosen.kernels:
        print(slowest_kernels(config, settings, images=chosen.images))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="s", help="of the network: n, s, m or l")
    parser.add_argument("--batch", type=int, default=32, help="images of one step")
    parser.add_argument("--steps", type=int, default=2000, help="to time in each mode")
    parser.add_argument("--images", type=int, default=512, help="random ones to draw from")
    parser.add_argument("--classes", type=int, default=133, help="of the network")
    parser.add_argument("--height", type=int, default=128, help="of the network's input")
    parser.add_argument("--width", type=int, default=128, help="of the network's input")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--precision", default="auto", help="auto, fp32 or bf16")
    parser.add_argument("--loss", default="cross-entropy+dice", help="as train takes it")
    parser.add_argument("--streamed", action="store_true", help="keep images on the host")
    parser.add_argument("--kernels", action="store_true", help="show where the time goes")
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    return parser


if __name__ == "__main__":
    sys.exit(main())
