"""How often fields are told right, and film comes back to the bit: ours beside VIVTC's and TIVTC's filters.

    python -m tests.bench.fields [FILM ...]

FILM is progressive, such as the sample clip, which is the default beside drawn pictures. Each becomes films of fields
by 3:2 pulldown, as interlaced video and so on. A row says what is in it, and for each way the part in percent of the
pictures that are there, once, and as they were before (video: made of the right field), how many came, and how many
were to come. Through MPEG-2 no picture is as it was: the last column counts those of the right class.
"""

import gc
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import vapoursynth as vs

from tests.encode.fields.films import Field, Planes, draw, expected, name_first, recognise, spread, weave, write
from vsfdat.encode.fields import restore
from vsfdat.encode.fields.cadence import find_groups
from vsfdat.encode.fields.look import glance, look_at_all
from vsfdat.encode.fields.pictures import list_pictures
from vsfdat.encode.input.source import open_source

PULLDOWN = (2, 3)
SAMPLE = Path(__file__).parents[2] / "sample_scripts/bigbuckbunny_sample.mp4"


@dataclass(frozen=True)
class Made:
    """A film of fields."""

    name: str
    fields: Sequence[Field]
    order: str = "tff"


def films(count: int) -> list[Made]:
    """Make films of fields out of so many pictures, 96 or more."""
    film, half = range(count), count // 2
    hybrid = [
        *spread(film[:half], "film", PULLDOWN),
        *spread(film[half : half + 40], "video", (1,)),
        *spread(film[:20], "whole", (2,)),
        *spread(film[half:], "film", PULLDOWN, drop=3),
    ]
    cuts = [
        field
        for scene, (start, stop) in enumerate(((60, 77), (0, 23), (30, 49), (77, 95), (20, 41)))
        for field in spread(film[start:stop], "film", PULLDOWN, drop=scene)
    ]
    return [
        Made("3:2, top first", spread(film, "film", PULLDOWN)),
        Made("3:2, bottom first", spread(film, "film", PULLDOWN), "bff"),
        Made("2:3:3:2", spread(film, "film", (2, 3, 3, 2))),
        Made("video, top first", spread(film, "video", (1,))),
        Made("video, bottom first", spread(film, "video", (1,)), "bff"),
        Made("whole, flagged", spread(film, "whole", (2,))),
        Made("PAL film", spread(film, "whole", (2,)), "bff"),
        Made("PAL film, a field late", spread(film, "joined", (2,), drop=1)),
        Made("hybrid", hybrid),
        Made("cuts that break 3:2", cuts),
    ]


def ours(path: Path, order: str) -> vs.VideoNode:
    """Restore as the command does."""
    return restore(open_source(path), "auto").clip


def vivtc(path: Path, order: str) -> vs.VideoNode:
    """Match, deinterlace what stays combed, decimate one of five."""
    clip = vs.core.bs.VideoSource(str(path), cachemode=0)
    return vs.core.vivtc.VDecimate(_mend(vs.core.vivtc.VFM(clip, order=order == "tff"), clip, order))


def tivtc(path: Path, order: str) -> vs.VideoNode:
    """Do it in two passes, which leave video its rate: the way that its authors give for hybrids."""
    clip = vs.core.bs.VideoSource(str(path), cachemode=0)
    matches, metrics, times = (str(path.with_suffix(f".{name}")) for name in ("matches", "metrics", "times"))
    first = vs.core.tivtc.TFM(clip, order=order == "tff", PP=1, output=matches)
    for _ in vs.core.tivtc.TDecimate(first, mode=4, output=metrics).frames(close=True):
        pass
    del first
    gc.collect()
    matched = vs.core.tivtc.TFM(clip, order=order == "tff", PP=1)
    mended = _mend(matched, clip, order)
    return vs.core.tivtc.TDecimate(mended, mode=5, hybrid=2, vfrDec=0, input=metrics, tfmIn=matches, mkvOut=times)


def _mend(matched: vs.VideoNode, clip: vs.VideoNode, order: str) -> vs.VideoNode:
    made_up = vs.core.bwdif.Bwdif(clip, field=order == "tff")
    return matched.std.FrameEval(lambda n, f: made_up if f.props["_Combed"] else matched, prop_src=matched)


def score(clip: vs.VideoNode, pictures: Sequence[Planes], made: Made) -> tuple[float, int, int]:
    """Give the part of pictures that are right, how many came, and how many were to come."""
    wanted = Counter(name_first(expected(made.fields), pictures, is_top_first=made.order == "tff"))
    found = Counter(recognise(frame, pictures, is_top_first=made.order == "tff") for frame in clip.frames(close=True))
    return (wanted & found).total() / max(wanted.total(), found.total()), found.total(), wanted.total()


def score_classes(path: Path, pictures: Sequence[Planes], made: Made) -> tuple[float, int, int]:
    """Give the part of pictures that are of the right class, how many came, and how many were to come."""
    source = open_source(path)
    watched = source.mending.watch(source.clip)
    is_top_first = glance(watched, source.clip).is_top_first
    same = dict(
        zip(
            range(len(pictures)),
            (n for _, n in name_first([("film", n) for n in range(len(pictures))], pictures)),
            strict=True,
        )
    )
    measures = look_at_all(watched, source.clip, is_top_first=is_top_first)
    shown = list_pictures(find_groups(measures), measures)
    right = 0
    for picture in shown:
        field, following = made.fields[picture.field : picture.field + 2]
        right += (
            picture.combs
            if field.kind == "video"
            else not picture.combs and same[field.picture] == same[following.picture]
        )
    wanted = len(expected(made.fields))
    return right / max(len(shown), wanted), len(shown), wanted


def load(path: Path, count: int = 96) -> list[Planes]:
    """Read pictures, to and fro where there are too few."""
    clip = vs.core.bs.VideoSource(str(path), cachemode=0)[:count].resize.Bicubic(format=vs.YUV420P8)
    clip = clip.std.Crop(right=clip.width % 4, bottom=clip.height % 4)
    pictures = [tuple(np.array(frame[plane]) for plane in range(3)) for frame in clip.frames(close=True)]
    return (pictures + pictures[::-1])[:count]


def main() -> None:
    """Print a table."""
    paths = [Path(name) for name in sys.argv[1:]] or [SAMPLE]
    twos = [picture for picture in draw(48, still=range(20, 32)) for _ in (0, 1)]
    sources = {"drawn": draw(96), "drawn, on twos": twos} | {path.stem: load(path) for path in paths}
    ways: dict[str, Callable[[Path, str], vs.VideoNode]] = {"ours": ours, "vivtc": vivtc, "tivtc": tivtc}
    with tempfile.TemporaryDirectory() as folder:
        for name, pictures in sources.items():
            for made in films(len(pictures)):
                if pictures is twos and any(field.kind == "video" for field in made.fields):
                    continue  # of which two fields or four are one picture is no video
                frames = weave(pictures, made.fields, is_top_first=made.order == "tff")
                path = write(Path(folder) / "film.mkv", frames, made.order)
                scores = [score(way(path, made.order), pictures, made) for way in ways.values()]
                lossy = write(Path(folder) / "film.mpg", frames, made.order, "mpeg2video", b="4000000", g="15", bf="2")
                scores.append(score_classes(lossy, pictures, made))
                cells = [f"{100 * part:.0f} % ({came}/{wanted})" for part, came, wanted in scores]
                print(f"| {name} | {made.name} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
