"""Clips that are damaged, or stop, where a test says so."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import av

from vsfdat.encode.input.decoding import decode_past_damage

NO_OPTIONS: Mapping[str, str] = MappingProxyType({})


def remux(
    source: Path,
    target: Path,
    options: Mapping[str, str] = NO_OPTIONS,
    dress: Callable[[Any], None] = lambda video: None,
) -> Path:
    """Copy a file packet by packet.

    Args:
        source: The file.
        target: Its copy.
        options: For the container.
        dress: Gets the video stream before anything is written.
    """
    with av.open(str(source)) as old, av.open(str(target), "w", options=dict(options)) as new:
        streams = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        dress(streams[old.streams.video[0].index])
        for packet in old.demux():
            if packet.size:
                packet.stream = streams[packet.stream_index]
                new.mux(packet)
    return target


def spoil(path: Path, *numbers: int) -> Path:
    """Overwrite the middle of some packets of a file's video with noughts."""
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [(packet.pos, bytes(packet)) for packet in container.demux(video=0)]
    for number in numbers:
        position, packet = packets[number]
        start = content.index(packet, position) + len(packet) // 3
        content[start : start + len(packet) // 3] = bytes(len(packet) // 3)
    path.write_bytes(content)
    return path


def cut_off(path: Path, share: float) -> Path:
    """Keep so much of a file, as a download that stopped would."""
    content = path.read_bytes()
    path.write_bytes(content[: round(len(content) * share)])
    return path


def count_frames(path: Path) -> int:
    """Count what FFmpeg decodes of a damaged file's video."""
    with av.open(str(path)) as container:
        return sum(picture is not None for picture in decode_past_damage(container, container.streams.video[0]))
