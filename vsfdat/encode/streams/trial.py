"""Asking FFmpeg what an output can hold: it is written into memory, as far as the first packets go, and read back."""

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..extras import require
from .sample import Sample
from .ways import Carrier, Way


def survives(way: Way, sample: Sample, container: str, *, to_the_bit: bool = False, is_known: bool = False) -> bool:
    """Tell whether a stream comes out of an output as it went in.

    FFmpeg's muxers take what their players cannot play, as Windows Media's sound in QuickTime's container does: what
    decodes in the input must decode in the output.

    Args:
        way: How the stream gets there.
        sample: The stream, and what it begins with.
        container: FFmpeg's name of the output's.
        to_the_bit: The same samples must come out of the decoders.
        is_known: What is written plays, and need not be decoded: some codecs need to know how long the whole is.
    """
    av = require("av")
    memory = io.BytesIO()
    try:
        with av.open(memory, "w", format=container) as output:
            _rewind(sample.stream)
            carrier = way(sample.stream, output)
            output.start_encoding()
            is_taken = _write(output, carrier, sample.twins())
            output.mux(carrier.finish())
        if not is_taken:
            return False
        if is_known or sample.stream.type != "audio" or not any(sample.twins()):
            return True
        memory.seek(0)
        with av.open(memory) as written:
            found = _decode(written.streams[0], written.demux())
    except (av.FFmpegError, ValueError):
        return False
    return _is_same(_decode(sample.stream, sample.twins()), found, to_the_bit=to_the_bit)


def _write(output: Any, carrier: Carrier, packets: Iterable[Any]) -> bool:
    """Write packets, and tell whether most of them were taken: single ones may be damaged."""
    taken = refused = 0
    for packet in packets:
        try:
            output.mux(carrier.carry(packet))
            taken += 1
        except (require("av").FFmpegError, ValueError):
            refused += 1
    return taken >= refused


def _is_same(expected: list[Any], found: list[Any], *, to_the_bit: bool) -> bool:
    if not expected or not found:
        return not expected
    if _kind(expected[0]) != _kind(found[0]):
        return False
    if not to_the_bit:
        return True
    before, after = _samples(expected), _samples(found)
    return before.shape == after.shape and bool(np.array_equal(before, after))


def _decode(stream: Any, packets: Iterable[Any]) -> list[Any]:
    """Decode what a sample holds; nothing, if it cannot be."""
    if stream.codec_context is None:
        return []
    _rewind(stream)
    try:
        return [frame for packet in packets if packet.size for frame in stream.decode(packet)]
    except require("av").FFmpegError:
        return []


def _rewind(stream: Any) -> None:
    """Have a stream's decoder forget what it was given before."""
    if stream.codec_context is not None:
        stream.codec_context.flush_buffers()


def _kind(frame: Any) -> tuple[int, int]:
    return frame.sample_rate, frame.layout.nb_channels


def _samples(frames: list[Any]) -> NDArray[Any]:
    """Join the samples of frames as [samples, channels]."""
    return np.concatenate([
        frame.to_ndarray().T if frame.format.is_planar else frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
        for frame in frames
    ])  # fmt: skip
