"""A film whose pictures came as fields, made one of whole pictures at their own times."""

import functools
import hashlib
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import vapoursynth as vs

from vsfdat.console import missing
from vsfdat.errors import EncodeError
from vsfdat.options import DeinterlaceChoice

from ..input.source import Source
from .cadence import find_groups
from .look import Glance, glance, look_at_all
from .pictures import Kind, Shown, list_pictures

_log = logging.getLogger(__name__)

_BWDIF = "BWDIF (vapoursynth-bwdif)"

# Lines: no larger video is interlaced.
_TALLEST = 1152

# Film that was spread over fields begins between frames, in quarters of what they last.
_FINER = 4

_WORDS: dict[Kind, str] = {
    "film": "{} of film, out of 3:2 pulldown",
    "joined": "{} of film, joined from fields of two frames",
    "video": "{} of interlaced video, {}",
    "whole": "{} whole ones, as they are",
}


def restore(source: Source, choice: DeinterlaceChoice) -> Source:
    """Give a source of whole pictures, and say what was found.

    Args:
        source: Of frames as the file has them.
        choice: What is to be done about fields: "auto" looks, "bwdif" deinterlaces all frames, "ivtc" joins fields
            everywhere.

    Raises:
        EncodeError: What was asked for by name cannot be done.
    """
    clip = source.clip
    if choice == "off" or clip.num_frames < 2 or (choice == "auto" and clip.height > _TALLEST):
        return source
    if choice == "bwdif" and not _has_bwdif():
        raise EncodeError(missing(_BWDIF))
    if clip.height % (2 << clip.format.subsampling_h):
        return _cannot(source, choice)
    watched = source.mending.watch(clip)
    seen = glance(watched, clip)
    if choice == "bwdif":
        pictures = [Shown(2 * n, 2.0 * n, "video", combs=True) for n in range(clip.num_frames)]
    elif choice == "auto" and not seen.flagged and not seen.combed:
        return source
    else:
        measures = look_at_all(watched, clip, is_top_first=seen.is_top_first)
        pictures = list_pictures(find_groups(measures, allow_video=choice == "auto"), measures)
        if choice == "ivtc":
            pictures = [replace(picture, combs=False) for picture in pictures]
    return _restored(source, seen, _as_far_as_possible(source, pictures))


def _has_bwdif() -> bool:
    return hasattr(vs.core, "bwdif")


def _cannot(source: Source, choice: DeinterlaceChoice) -> Source:
    """Leave alone what has no two fields of equal size."""
    if choice == "auto":
        return source
    height, least = source.clip.height, 2 << source.clip.format.subsampling_h
    raise EncodeError(
        f"{source.path}: pictures {height} lines high have no fields, whose lines are a multiple of {least}; "
        "leave --deinterlace out"
    )


def _as_far_as_possible(source: Source, pictures: Sequence[Shown]) -> Sequence[Shown]:
    """Leave pictures combed that nobody is there to deinterlace, and say so."""
    combed = sum(picture.combs for picture in pictures)
    if not combed or _has_bwdif():
        return pictures
    _log.warning("%s: %d pictures are interlaced and stay so: %s", source.path, combed, missing(_BWDIF))
    return [replace(picture, combs=False) for picture in pictures]


def _restored(source: Source, seen: Glance, pictures: Sequence[Shown]) -> Source:
    if [(picture.field, picture.combs) for picture in pictures] == [(2 * n, False) for n in range(len(source.pts))]:
        if seen.flagged:
            _log.warning("%s: flagged interlaced, but its pictures are whole, and stay as they are.", source.path)
        return replace(source, clip=source.clip.std.SetFieldBased(vs.FIELD_PROGRESSIVE), fields="whole")
    order = "top" if seen.is_top_first else "bottom"
    _log.warning("%s: fields were looked at (%s first): %s.", source.path, order, _describe(pictures))
    finer = _FINER if any(picture.start % 2 for picture in pictures) else 1
    end, unit = source.end * finer, source.time_base / finer
    pts = [_time(source, picture.start, finer) for picture in pictures]
    places = [(picture.field, picture.combs) for picture in pictures]
    return replace(
        source,
        clip=_build(source.clip, places, _rate(source, len(pts)), is_top_first=seen.is_top_first),
        pts=pts,
        end=end,
        time_base=unit,
        origin=source.origin * finer,
        fields=f"{order} first, {hashlib.sha256(repr(places).encode()).hexdigest()[:16]}",
    )


def _describe(pictures: Sequence[Shown]) -> str:
    kinds = Counter(picture.kind for picture in pictures)
    is_combed = any(picture.combs for picture in pictures if picture.kind == "video")
    how = "deinterlaced, one for each frame" if is_combed else "left so"
    parts = [words.format(kinds[kind], how) for kind, words in _WORDS.items() if kinds[kind]]
    if mended := sum(picture.combs for picture in pictures if picture.kind != "video"):
        parts.append(f"{mended} of these lack a field, which is made from the other")
    return f"{len(pictures)} pictures, {'; '.join(parts)}"


def _time(source: Source, start: float, finer: int) -> int:
    """Say when a picture is shown that begins so many fields after the first, in ticks that are finer."""
    number, quarters = divmod(round(2 * start), 4)
    pts = source.pts
    lasts = (pts[number + 1] if number + 1 < len(pts) else source.end) - pts[number]
    return pts[number] * finer + quarters * lasts * finer // 4


def _rate(source: Source, pictures: int) -> Fraction:
    """Say how many pictures a second there are: as film's were, or on average."""
    mean = source.frame_rate * pictures / len(source.pts)
    film = source.frame_rate * 4 / 5
    return film if abs(film - mean) < mean / 100 else mean.limit_denominator(1001)


def _build(
    clip: vs.VideoNode, places: Sequence[tuple[int, bool]], rate: Fraction, *, is_top_first: bool
) -> vs.VideoNode:
    """Make the clip of pictures: from every two fields in a row a woven one, from each field one that is made up."""
    clip = clip.std.SetFieldBased(vs.FIELD_TOP if is_top_first else vs.FIELD_BOTTOM)
    woven = clip.std.SeparateFields().std.DoubleWeave()
    is_made_up = any(combs for _, combs in places)
    made_up = clip.bwdif.Bwdif(field=3 if is_top_first else 2) if is_made_up else woven
    blank = clip.std.BlankClip(length=len(places), fpsnum=rate.numerator, fpsden=rate.denominator, keep=True)
    # Not by a method: a clip that holds what holds it is never freed.
    chosen = blank.std.FrameEval(functools.partial(_choose, woven, made_up, places), clip_src=[woven, made_up])
    return chosen.std.SetFieldBased(vs.FIELD_PROGRESSIVE)


def _choose(woven: vs.VideoNode, made_up: vs.VideoNode, places: Sequence[tuple[int, bool]], n: int) -> vs.VideoNode:
    field, combs = places[n]
    return (made_up if combs else woven).std.Trim(first=field - n)
