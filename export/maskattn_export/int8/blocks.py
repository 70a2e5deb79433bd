"""Blocks of a network, read from the names of a graph's nodes."""

from __future__ import annotations

from collections import defaultdict

import onnx

_TOGETHER = {"lateral": "laterals"}
"""Prefixes of layers that are too small to be decided upon one by one."""


def blocks_of(graph: onnx.GraphProto) -> dict[str, str]:
    """Block of each node, by the nodes' names: `stage1`, `laterals`, `decode2`, `head`.

    A node `stage1.0.0.Conv` is of the module `stage1`. What lies between modules, as the decoder's
    enlarging and adding, is of the block that reads it, and what no block reads, of the one before.
    Nodes without any block around them are left out.
    """
    found = {node.name: _module(node.name) for node in graph.node}
    readers = defaultdict(list)
    for node in graph.node:
        for name in node.input:
            readers[name].append(node.name)
    for node in reversed(graph.node):  # an ONNX graph is sorted: readers come later
        if not found[node.name]:
            after = [found[r] for out in node.output for r in readers[out] if found[r]]
            found[node.name] = after[0] if after else ""
    made_by = {output: node.name for node in graph.node for output in node.output}
    for node in graph.node:
        if not found[node.name]:
            before = [found[made_by[name]] for name in node.input if name in made_by]
            found[node.name] = next(filter(None, before), "")
    return {name: block for name, block in found.items() if block}


def _module(name: str) -> str:
    module = name.split(".")[0] if "." in name else ""
    for prefix, together in _TOGETHER.items():
        if module.removeprefix(prefix).isdigit():
            return together
    return module
