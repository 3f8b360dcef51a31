"""Follow a pickle's programme without running it, and refuse one that is more than a list of tensors.

torch keeps a pickle from running code, but not from asking for memory (`bytearray(10**10)`) or for ages (a key made of
tuples of one and the same tuple, whose hash walks every path).
"""

import pickletools
import re
from typing import IO

from vsfdat.errors import CheckpointError

_MOST_OPS = 400_000  # a tensor takes some 45, and training states have five for each of a network's
_MOST_WORK = 100_000_000  # a tensor takes some 300
_ALLOWED = re.compile(
    r"torch\._utils _rebuild_(tensor|tensor_v2|tensor_v3|parameter|parameter_with_state)"
    r"|torch(\.storage)? \w+Storage|torch (u?int|b?float|complex|bool)\w*|torch (Size|device)"
    r"|torch\.nn\.parameter Parameter|collections (OrderedDict|Counter)|(__builtin__|builtins) set"
)
_PROTOCOLS = (2, 3)  # torch writes 2, and its own reader lacks the later ones' steps
_ODD_TENSORS = {
    "torch._utils _rebuild_sparse_tensor": "sparse",
    "torch._utils _rebuild_qtensor": "quantised",
    "torch._utils _rebuild_meta_tensor_no_storage": "meta",
}
_GROWING = {"APPEND", "APPENDS", "SETITEM", "SETITEMS"}


class _Cell:
    """What an object on the pickle's stack weighs: how many objects walking through it would meet."""

    def __init__(self, weight: int) -> None:
        self.weight = weight


def check_pickles(file: IO[bytes], name: str, number: int) -> None:
    """Refuse pickles that hold other things than tensors, or that take more memory or time than tensors would.

    Args:
        file: Where the first one begins.
        name: What error messages call the file.
        number: How many of them follow one another.

    Raises:
        CheckpointError: They are refused.
        Exception: Of many types: they are no pickles, or damaged.
    """
    ops = 0
    for _ in range(number):
        scales = _Scales()
        for op, argument, _place in pickletools.genops(file):
            ops += 1
            _check_op(op.name, argument, name)
            scales.weigh(op, argument)
            if ops > _MOST_OPS or scales.work > _MOST_WORK:
                raise CheckpointError(f"{name}: its list of tensors is longer or more intricate than any network's")


def more_than_weights(name: str) -> CheckpointError:
    """Say that a pickle wants to run code, without torch's own page on how to switch the protection off."""
    return CheckpointError(
        f"{name}: holds more than weights, or is damaged; it was not run. Ask its author for a .safetensors file"
    )


def _check_op(op: str, argument: object, name: str) -> None:
    if op == "PROTO" and argument not in _PROTOCOLS:
        raise CheckpointError(
            f"{name}: is pickled by protocol {argument}, which torch does not read safely; "
            "ask its author for a .safetensors file"
        )
    if op == "GLOBAL" and argument in _ODD_TENSORS:
        raise CheckpointError(f"{name}: holds a {_ODD_TENSORS[str(argument)]} tensor; a network's are plain ones")
    if op == "GLOBAL" and not _ALLOWED.fullmatch(str(argument)):
        raise more_than_weights(name)


class _Scales:
    """Weigh what a pickle builds: tuples count twice, so that nesting is bounded too, as each level doubles.

    Tuples are all that can be a key and hold others; lists and dicts grow after they have been put elsewhere, so that
    every place sees the same cell.
    """

    def __init__(self) -> None:
        self.work = 0
        self._stack: list[_Cell] = []
        self._marks: list[int] = []
        self._memo: dict[object, _Cell] = {}

    def weigh(self, op: pickletools.OpcodeInfo, argument: object) -> None:
        """Follow one step of the programme."""
        if op.name == "MARK":
            self._marks.append(len(self._stack))
        elif op.name.endswith("PUT"):
            self._memo[argument] = self._stack[-1]
        elif op.name.endswith("GET"):
            self._stack.append(self._memo[argument])
        else:
            taken = self._take(op)
            weight = 1 + sum(cell.weight for cell in taken)
            self.work += weight
            if op.name in _GROWING:
                taken[0].weight = weight
                self._stack.append(taken[0])
            else:
                self._stack += [_Cell(2 * weight if "TUPLE" in op.name else weight) for _ in op.stack_after]

    def _take(self, op: pickletools.OpcodeInfo) -> list[_Cell]:
        before = op.stack_before
        if pickletools.markobject in before:
            start = self._marks.pop() - before.index(pickletools.markobject)
        else:
            start = len(self._stack) - len(before)
        taken = self._stack[start:]
        del self._stack[start:]
        return taken
