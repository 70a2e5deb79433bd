"""What the model's file says of itself, as the page shows it."""

from __future__ import annotations

from maskattn_edge.contract.spec import ModelSpec


def card(spec: ModelSpec) -> dict[str, object]:
    """The model's card, ready for JSON; what the file does not say is null or empty."""
    size, training = spec.input, spec.training
    return {
        "name": spec.name,
        "task": spec.task,
        "classes": [
            {"id": index, "name": info.name, "color": list(info.color), "thing": info.thing}
            for index, info in enumerate(spec.classes)
        ],
        "input": {"width": size.width, "height": size.height, "resize": size.resize},
        "precision": {
            "name": spec.precision.name,
            "kept": len(spec.precision.kept),
            "method": spec.precision.method,
        },
        "training": {
            "data": training.data,
            "epochs": training.epochs,
            "seed": training.seed,
            "commit": training.commit,
            "metrics": training.metrics,
        },
        "licences": {"weights": spec.licences.weights, "data": spec.licences.data},
        "checkpoint_sha256": spec.provenance.checkpoint_sha256,
    }
