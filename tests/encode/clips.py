"""Small video files of known content, made with PyAV."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from safetensors.torch import save_file

from tests.stand_ins import tiny_fdat

_made: dict[str, bytes] = {}


@dataclass(frozen=True)
class Recipe:
    """What a file holds. The pictures are coloured bars that wander; sound is a click at 0.5 s."""

    drawn_on: int = 1  # frames that show the same picture
    pts: Sequence[int] = tuple(range(0, 20 * 512, 512))
    time_base: Fraction = Fraction(1, 12800)
    size: tuple[int, int] = (32, 24)
    encoder: str = "libx264"
    pixel_format: str = "yuv420p"
    matrix: int = 1
    primaries: int = 1
    transfer: int = 1
    is_full_range: bool = False
    sample_aspect: Fraction = Fraction(1)
    options: dict[str, str] = field(default_factory=lambda: {"crf": "1"})
    audio: str | None = "aac"
    subtitles: Sequence[tuple[float, float, str]] = ()


def make_video(path: Path, recipe: Recipe = Recipe()) -> Path:
    """Write a file to a recipe: encoded the first time, and copied from then on."""
    known = f"{path.suffix}: {recipe}"
    if known not in _made:
        _encode(path, recipe)
        _made[known] = path.read_bytes()
    path.write_bytes(_made[known])
    return path


def _encode(path: Path, recipe: Recipe) -> None:
    with av.open(str(path), "w") as output:
        video = _add_video(output, recipe)
        audio = output.add_stream(recipe.audio, rate=48000, layout="mono") if recipe.audio else None
        subtitles = _add_subtitles(output, path) if recipe.subtitles else None
        for index, pts in enumerate(recipe.pts):
            output.mux(video.encode(_picture(recipe, index // recipe.drawn_on, pts)))
        output.mux(video.encode())
        if audio:
            _write_click(output, audio, float(recipe.pts[-1] * recipe.time_base))
        for start, duration, text in recipe.subtitles:
            output.mux(_subtitle_packet(subtitles, start, duration, text))


def make_model(path: Path, **overrides: Any) -> Path:
    """Write a checkpoint of a network that takes next to no time."""
    save_file(tiny_fdat(**{"group_block_pattern": ["channel"]} | overrides).state_dict(), path)
    return path


def packets(path: Path, kind: str) -> list[tuple[Fraction, bytes]]:
    """List a stream's packets as (seconds, payload), in the order that they are shown."""
    with av.open(str(path)) as container:
        found = container.demux(getattr(container.streams, kind)[0])
        return sorted((packet.pts * packet.time_base, bytes(packet)) for packet in found if packet.pts is not None)


def click_time(path: Path) -> float:
    """Find when the click of a file's sound is heard, in seconds."""
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            loud = np.flatnonzero(abs(frame.to_ndarray()[0]) > 0.3)
            if loud.size:
                return frame.time + loud[0] / frame.sample_rate
    return float("nan")


def decode(path: Path) -> list[Any]:
    """Decode every frame of a file's video."""
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def _add_video(output: Any, recipe: Recipe) -> Any:
    stream = output.add_stream(recipe.encoder, rate=25)
    context = stream.codec_context
    context.width, context.height = recipe.size
    context.pix_fmt = recipe.pixel_format
    context.time_base = recipe.time_base
    context.sample_aspect_ratio = recipe.sample_aspect
    context.options = recipe.options
    context.colorspace, context.color_primaries, context.color_trc = recipe.matrix, recipe.primaries, recipe.transfer
    context.color_range = 2 if recipe.is_full_range else 1
    return stream


def _picture(recipe: Recipe, index: int, pts: int) -> Any:
    width, height = recipe.size
    rgb = np.zeros((height, width, 3), np.uint8)
    for bar, color in enumerate(((200, 60, 40), (40, 180, 90), (50, 70, 210), (180, 180, 180))):
        rgb[:, bar * width // 4 : (bar + 1) * width // 4] = color
    rgb = np.roll(rgb, index, axis=1)
    source = av.VideoFrame.from_ndarray(rgb, "rgb24")
    frame = source.reformat(
        format=recipe.pixel_format, dst_colorspace=recipe.matrix, dst_color_range=2 if recipe.is_full_range else 1
    )
    frame.pts, frame.time_base = pts, recipe.time_base
    return frame


def _write_click(output: Any, stream: Any, seconds: float) -> None:
    """Write silence with one click at half a second, so that a shift can be heard to the millisecond."""
    sound = np.zeros(round(seconds * 48000), np.float32)
    sound[24000:24400] = 0.9 * np.sin(np.arange(400) * 0.3)[: max(0, len(sound) - 24000)]
    size = stream.codec_context.frame_size or 1024
    for start in range(0, len(sound), size):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[None, start : start + size]), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        output.mux(stream.encode(frame))
    output.mux(stream.encode())


def _add_subtitles(output: Any, path: Path) -> Any:
    listing = path.with_suffix(".srt")
    listing.write_text("1\n00:00:00,000 --> 00:00:01,000\nx\n")
    with av.open(str(listing)) as container:
        return output.add_stream_from_template(container.streams.subtitles[0])


def _subtitle_packet(stream: Any, start: float, duration: float, text: str) -> Any:
    packet = av.Packet(text.encode())
    packet.stream, packet.time_base = stream, Fraction(1, 1000)
    packet.pts = packet.dts = round(start * 1000)
    packet.duration = round(duration * 1000)
    return packet
