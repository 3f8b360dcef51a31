"""Packets whose times are out of their order, as flipped bits make them."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any


def in_order(packets: Iterable[Any], tell: Callable[[Any], object] = lambda _: None) -> Iterator[Any]:
    """Leave out what goes back in time, and sound that jumps ahead alone: after that all others would go back.

    Args:
        packets: Of any streams, each with a `dts`.
        tell: Is called with each that is left out.
    """
    written: dict[int, int] = {}
    held: dict[int, Any] = {}
    for packet in packets:
        index, before = packet.stream_index, held.get(packet.stream_index)
        if packet.dts < written.get(index, packet.dts):
            tell(packet)
            continue
        if before is not None and packet.dts < before.dts:
            tell(before)
        elif before is not None:
            written[index] = before.dts
            yield before
        held[index] = packet
        if packet.stream.type != "audio":  # the next one may be minutes away
            written[index] = packet.dts
            yield held.pop(index)
    yield from held.values()
