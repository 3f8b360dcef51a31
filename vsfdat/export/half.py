"""fp32 graphs to fp16 where fp16 has room for what they compute.

FDAT's channel attention divides each channel of q and k by its norm over the whole frame. A sum of that many squares is
beyond 65504, where fp16 ends, on frames that people have; a graph that is fp16 throughout divides by infinity there,
and what is left of a picture is black, white and cracks. So what sums over the frame, norms and softmax stay fp32.
"""

import warnings
from typing import Any

from vsfdat.arch import FDAT
from vsfdat.arch.heads import find_head

_FULL = ("LayerNormalization", "Softmax", "ReduceL2", "ReduceMean", "ReduceSum", "GlobalAveragePool", "GridSample")
_LEAST = 6e-8  # that fp16 can tell from 0
# What stands between q and k and their softmax, in a channel block.
_NORMALISING = ("ReduceL2", "Clip", "Expand", "Div", "MatMul", "Mul")


def to_half(model: Any, network: FDAT) -> Any:
    """Convert a graph's weights and maps to fp16, and leave in fp32 what needs it; input and output stay fp32.

    Args:
        model: What `write_onnx` has traced, as onnx loads it.
        network: What it was traced from.

    Raises:
        ExportError: The package that converts is not installed.
    """
    from .write import require

    float16 = require("onnxconverter_common.float16")
    _part_equal_weights(model.graph)
    blocked = _blocked_names(model.graph.node, network)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a line for each tensor with weights that are nearly 0
        return float16.convert_float_to_float16(
            model, min_positive_val=_LEAST, keep_io_types=True, node_block_list=blocked,
            op_block_list=[*float16.DEFAULT_OP_BLOCK_LIST, *_FULL],
        )  # fmt: skip


def _part_equal_weights(graph: Any) -> None:
    """Give each layer weights of its own: PyTorch keeps equal ones once, and the converter one type of each."""
    kept = {weights.name: weights for weights in graph.initializer}
    for node in [node for node in graph.node if node.op_type == "Identity" and node.input[0] in kept]:
        graph.initializer.add().CopyFrom(kept[node.input[0]])
        graph.initializer[-1].name = node.output[0]
        graph.node.remove(node)


def _blocked_names(nodes: Any, network: FDAT) -> list[str]:
    blocked = set()
    scopes = {_scope(node.name) for node in nodes if node.op_type == "ReduceL2"}
    weights = {output for node in nodes if node.op_type == "Softmax" for output in node.output}
    for node in nodes:
        if node.op_type in _NORMALISING and _scope(node.name) in scopes and not weights & set(node.input):
            blocked.add(node.name)
    if not find_head(network.config.upsampler_type, network.config.scale).in_strips:
        blocked |= {node.name for node in nodes if "/upsampler/" in node.name}  # it samples where its layers tell it
    return sorted(blocked)


def _scope(name: str) -> str:
    return name.rpartition("/")[0]
