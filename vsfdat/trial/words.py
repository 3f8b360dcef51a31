"""What a page and the terminal say of times, sizes and settings."""

import math

import vapoursynth as vs

from vsfdat.encode.output.video import Video

from .forecast import Forecast


def say_time(seconds: float) -> str:
    """Word a moment of a film: 0:01:02.5."""
    tenths = int(seconds * 10)
    minutes, tenths = divmod(tenths, 600)
    return f"{minutes // 60}:{minutes % 60:02}:{tenths / 10:04.1f}"


def say_duration(seconds: float) -> str:
    """Word how long something takes, in two units at most."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    days, minutes = divmod(minutes, 1440)
    if days > 2:
        return f"{days} days {round(minutes / 60)} h"
    return f"{days * 24 + minutes // 60} h {minutes % 60} min"


def say_bytes(size: float) -> str:
    """Word how large a file is."""
    power = min(max(math.floor(math.log10(max(size, 1)) / 3), 1), 3)
    return f"{size / 1000**power:.3g} {('kB', 'MB', 'GB')[power - 1]}"


def say_size(clip: vs.VideoNode) -> str:
    """Word a picture's size."""
    return f"{clip.width}×{clip.height}"


def say_settings(video: Video) -> str:
    """Word what encodes a film."""
    parts = [f"{key} {video.options[key]}" for key in ("crf", "preset") if key in video.options]
    return " ".join([video.codec.label, *parts])


def say_forecast(expected: Forecast, model: str) -> str:
    """Word what the whole film is to take."""
    what = f"about {say_duration(expected.seconds)} and {say_bytes(expected.size)}"
    return f"All {expected.frames} frames by {model}: {what}"


def say_note(expected: Forecast) -> str:
    """Word what the forecast rests on."""
    network, other = (f"{value:.2g} s" for value in (expected.network, expected.other))
    note = f"On this machine, where the network takes {network} a frame, decoding and encoding {other}"
    return f"{note}; {expected.repeats:.0%} of the frames repeat earlier ones." if expected.repeats else f"{note}."
