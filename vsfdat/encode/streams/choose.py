"""Which way a stream takes into a container, if there is one."""

import functools
from dataclasses import dataclass

from ..extras import require
from ..formats import CONTAINERS
from .latm import LatmReader
from .sample import Sample
from .trial import survives
from .ways import Copied, Recoded, Repacked, Rewritten, Way

# How each container notes text. Each is read back as the same words; styles survive as far as the notation has them.
_TEXT = {"matroska": "subrip", "mp4": "mov_text", "mov": "mov_text", "webm": "webvtt"}
_STYLED = ("ass", "ssa")
# Captions that come letter by letter: as subtitles they would show each of them once more.
_NO_TEXT = ("eia_608",)

# What holds sound without loss, in order of preference, for sound that was not compressed and for sound that was.
_LOSSLESS = {"matroska": ("pcm", "flac"), "mov": ("pcm", "alac"), "mp4": ("flac", "flac")}
# Without loss as it is, but what it says of places in the room is lost when decoded.
_WITH_OBJECTS = ("truehd", "mlp")
# Of a sample: the encoders cut off what is beyond.
_MOST_BITS = 24
# PCM for the samples that a decoder gives; 24 bits come as the upper ones of 32.
_PCM = {"u8": "pcm_u8", "s16": "pcm_s16le", "s32": "pcm_s24le", "flt": "pcm_f32le", "dbl": "pcm_f64le"}


@dataclass(frozen=True)
class Choice:
    """How a stream gets into an output; `remark` says as what, where not as it is."""

    way: Way
    remark: str = ""
    is_to_the_bit: bool = False


def choose(sample: Sample, container: str, origin: str) -> Choice | None:
    """Choose how sound or subtitles get into a container; None if there is no way.

    Args:
        sample: The stream.
        container: FFmpeg's name of the output's.
        origin: FFmpeg's name of the input's.
    """
    stays = "matroska" in origin and container == "matroska"  # which keeps unchanged even what it does not know
    if sample.stream.codec_context is None and not stays:
        return None  # nothing could tell whether a copy plays
    ways = [_repack(sample), Choice(Copied), _recode(sample, container), _rewrite(sample, container)]
    if container == "mp4" and sample.codec.startswith("pcm_"):
        ways[1:3] = reversed(ways[1:3])  # PCM in MP4 is of 2020: many players know nothing of it, or play noise
    for choice in ways:
        is_known = stays and choice == Choice(Copied)
        if choice and survives(choice.way, sample, container, to_the_bit=choice.is_to_the_bit, is_known=is_known):
            return choice
    return None


def endings_that_keep(sample: Sample, container: str, origin: str) -> list[str]:
    """List the endings of other outputs that a stream gets into, best first."""
    others = [ending for ending, name in CONTAINERS.items() if name not in (container, "webm")]
    return [ending for ending in others if choose(sample, CONTAINERS[ending], origin) is not None]


def _repack(sample: Sample) -> Choice | None:
    if sample.codec != "aac_latm" or not sample.packets:
        return None
    try:
        head = LatmReader().read(bytes(sample.packets[0]))[0]
    except ValueError:
        return None
    return Choice(functools.partial(Repacked, head=head), "aac, the same sound in another wrapping", is_to_the_bit=True)


def _recode(sample: Sample, container: str) -> Choice | None:
    """Choose another codec for sound, one that gives the same samples."""
    sound, kinds = sample.stream.codec_context, _LOSSLESS.get(container)
    if sample.stream.type != "audio" or sound is None or sound.format is None or kinds is None:
        return None
    is_plain = sample.codec.startswith("pcm_")
    if sample.codec in _WITH_OBJECTS or not (is_plain or sound.codec.lossless):
        return None
    packed, encoder = sound.format.packed.name, kinds[0] if is_plain else kinds[1]
    if packed == "s32" and not 0 < sound.bits_per_raw_sample <= _MOST_BITS:
        return None
    encoder = _PCM.get(packed, "") if encoder == "pcm" else encoder
    taken = [form.name for form in require("av").Codec(encoder, "w").audio_formats] if encoder else []
    form = next((form for form in (packed, sound.format.planar.name) if form in taken), None)
    if form is None:
        return None
    way = functools.partial(Recoded, encoder=encoder, sample_format=form)
    return Choice(way, f"{encoder}, sample for sample the same", is_to_the_bit=True)


def _rewrite(sample: Sample, container: str) -> Choice | None:
    """Choose another notation for text."""
    text, encoder = sample.stream.codec_context, _TEXT[container]
    if sample.stream.type != "subtitle" or text is None or not text.codec.text_sub or sample.codec in _NO_TEXT:
        return None
    lost = ", without its styles, which an output that ends in .mkv keeps" if sample.codec in _STYLED else ""
    return Choice(functools.partial(Rewritten, encoder=encoder), encoder + lost)
