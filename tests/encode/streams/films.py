"""Films with more in them than pictures and sound, made with PyAV."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import av
import numpy as np

MS = Fraction(1, 1000)


def remake(plain: Path, path: Path, edit: Callable[[Any, dict[int, Any]], object], **options: str) -> Path:
    """Copy a film, and let `edit` change the output and its streams, by the source's index, before it begins."""
    with av.open(str(plain)) as source, av.open(str(path), "w", options=options) as output:
        streams = {s.index: output.add_stream_from_template(s, opaque=True) for s in source.streams}
        extra = edit(output, streams) or ()
        for packet in [packet for packet in source.demux() if packet.size] + list(extra):
            packet.stream = streams.get(packet.stream_index, packet.stream)
            output.mux(packet)
    return path


def make_sounding(path: Path, codec: str, *, video: str = "libx264", layout: str = "stereo", **options: str) -> Path:
    """Write a film of half a second whose sound is noise, 16 bits deep, or as deep as its codec is."""
    with av.open(str(path), "w", options=options) as output:
        pictures = output.add_stream(video, rate=25)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        pictures.codec_context.colorspace = 1
        sound = output.add_stream(codec, rate=48000, layout=layout)
        sound.bit_rate = 128000
        if codec in ("pcm_bluray", "flac"):
            sound.format = "s32"
        form = {"s32p": "s32", "s32": "s32"}.get(sound.format.name, "s16")
        for number in range(13):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(pictures.encode(frame))
        output.mux(pictures.encode())
        for start in range(0, 24000, 480):
            output.mux(sound.encode(_noise(start, form, layout)))
        output.mux(sound.encode())
    return path


def _noise(start: int, form: str, layout: str) -> Any:
    deep, channels = form == "s32", av.AudioLayout(layout).nb_channels
    samples = np.random.default_rng(start).integers(-(2**15), 2**15, (1, 480 * channels), np.int16)
    samples = samples.astype(np.int32) * 2**16 + samples[:, ::-1] % 256 * 2**8 if deep else samples
    frame = av.AudioFrame.from_ndarray(samples.astype(np.int32 if deep else np.int16), form, layout)
    frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
    return frame


def packet_of(stream: Any, content: bytes, start: float, duration: float = 0.1) -> Any:
    """Make a packet of an output's stream, in seconds."""
    packet = av.Packet(content)
    packet.stream, packet.time_base = stream, MS
    packet.pts = packet.dts = round(start * 1000)
    packet.duration = round(duration * 1000)
    return packet


def make_captioned(path: Path, encoder: str, captions: Iterable[bytes | None], **options: str) -> Path:
    """Write a film of 25 frames a second that has closed captions in its pictures."""
    raw = av.CodecContext.create("rawvideo", "r")
    raw.width, raw.height, raw.pix_fmt = 64, 48, "yuv420p"
    with av.open(str(path), "w") as output:
        stream = output.add_stream(encoder, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"a53cc": "1", "bf": "2"} | options
        for number, data in enumerate(captions):
            packet = av.Packet(np.full(64 * 72, number, np.uint8))
            if data is not None:
                beside = av.packet.PacketSideData(get_args(av.packet.PktSideDataT).index("a53_cc"), len(data))
                beside.update(data)
                packet.set_sidedata(beside)
            (frame,) = raw.decode(packet)
            frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, 25), 0
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def captions_in(path: Path) -> list[bytes | None]:
    """Read the closed captions of each picture of a film, in the order that they are shown."""
    with av.open(str(path)) as container:
        found = [{kind.name: bytes(data) for kind, data in f.side_data.items()} for f in container.decode(video=0)]
    return [beside.get("A53_CC") for beside in found]


def sound_of(path: Path) -> np.ndarray:
    """Decode all sound of a film, as [samples, channels]."""
    with av.open(str(path)) as container:
        frames = [
            frame.to_ndarray().T if frame.format.is_planar else frame.to_ndarray().reshape(-1, frame.layout.nb_channels)
            for frame in container.decode(audio=0)
        ]
    return np.concatenate(frames)


def chapters_of(path: Path) -> list[tuple[str, float, float]]:
    """List the chapters of a film as (title, start, end), in seconds."""
    with av.open(str(path)) as container:
        return [
            (each["metadata"]["title"], *(float(each[time] * each["time_base"]) for time in ("start", "end")))
            for each in container.chapters()
        ]


def set_chapters(output: Any, chapters: Iterable[tuple[str, float, float]]) -> None:
    """Give an output chapters, as (title, start, end) in seconds."""
    output.set_chapters([
        {"id": number, "start": round(start * 1000), "end": round(end * 1000), "time_base": MS,
         "metadata": {"title": title}}
        for number, (title, start, end) in enumerate(chapters)
    ])  # fmt: skip
