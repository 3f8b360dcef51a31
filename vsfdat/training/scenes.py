"""Scenes made of pictures: a camera that moves over a background, and a figure that moves by itself before it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from vsfdat.quality.pictures import Picture

from . import checks

Motion = Literal["still", "pan", "drift", "turn", "shake"]

_SHAKE = 0.7  # pixels of the original: how far a hand that holds a camera strays between two frames
_ZOOM, _TURN = 0.012, 0.8  # a frame: share of the size, and degrees
_DRIFT = 2.5  # pixels of the original a frame: slow enough that every fraction of a pixel comes up
_TURNING_ROOM = 20  # pixels around a frame that its corners reach into as it turns
_BLOBS = 4  # ellipses that a figure's outline is made of
_HOLDS = (2, 3)  # frames that a drawing stays: animation on twos and threes


@dataclass(frozen=True, kw_only=True)
class ClipFacts:
    """Say how clips are made of pictures, for a network that looks at a frame's neighbours too.

    Args:
        seen: Frames that the network sees, an odd number.
        length: Frames that pass through a codec together; which of them the network is to make is drawn.
        motions: Share of each way that a camera moves: not, by whole pixels of the original, by fractions of them,
            turning and zooming, held by a hand.
        speed: Fastest pan, in low-resolution pixels a frame.
        figure: Share of the clips in which something moves by itself before the background.
        held: Share of the clips, and of the figures, whose drawings stay for two or three frames.
        cut: Share of the clips with a cut; the network gets the nearest frame on the middle's side, as in use.
        missed: Share of the cuts that it is not spared, as no detector finds them all.
        footage: Share of the clips that are cut from videos, where some lie beside the pictures.
    """

    seen: int = 5
    length: int = 9
    motions: Mapping[str, float] = field(default_factory=lambda: {"still": 1.0, "pan": 1.0})
    speed: float = 4.0
    figure: float = 0.0
    held: float = 0.0
    cut: float = 0.0
    missed: float = 0.0
    footage: float = 0.5

    def __post_init__(self) -> None:
        checks.at_least(self, 3, "seen", "length")
        checks.at_least(self, 1, "speed")
        if self.seen % 2 == 0:
            raise ValueError(f"seen must be odd, passed {self.seen}")
        checks.all_among("motions", self.motions, get_args(Motion))
        checks.weights("motions", self.motions)
        checks.shares(self, "figure", "held", "cut", "missed", "footage")


class Pose(NamedTuple):
    """Say where a frame looks: the middle of a picture, or so far from it.

    Args:
        x: Pixels to the right.
        y: Pixels down.
        zoom: Size of what is seen over its size in the picture.
        angle: Degrees that the camera is turned by.
    """

    x: float
    y: float
    zoom: float = 1.0
    angle: float = 0.0


@dataclass(frozen=True)
class Layer:
    """Hold a picture and what each frame sees of it.

    Args:
        picture: A Pillow image, RGB, or RGBA where it hides only a part of what is behind it.
        path: A pose for each frame.
    """

    picture: Any
    path: Sequence[Pose]

    def seen(self, n: int, side: int) -> Any:
        """Give the square of `side` pixels that frame n sees, a Pillow image; what is a whole pixel away is a copy."""
        from PIL import Image

        pose, (width, height) = self.path[n], self.picture.size
        x, y = width / 2 + pose.x, height / 2 + pose.y
        left, top = x - side / 2, y - side / 2
        if pose.zoom == 1 and pose.angle == 0 and left == int(left) and top == int(top):
            return self.picture.crop((int(left), int(top), int(left) + side, int(top) + side))
        cosine, sine = (turn(np.deg2rad(pose.angle)) / pose.zoom for turn in (np.cos, np.sin))
        half = side / 2
        across = (cosine, -sine, x - half * (cosine - sine))
        down = (sine, cosine, y - half * (sine + cosine))
        return self.picture.transform((side, side), Image.Transform.AFFINE, across + down, Image.Resampling.BICUBIC)


@dataclass(frozen=True)
class Scene:
    """Hold layers, the farthest first.

    Args:
        layers: What a frame shows, one before the other.
        side: Width and height of its frames.
    """

    layers: Sequence[Layer]
    side: int

    def frame(self, n: int) -> Picture:
        """Paint frame n, [side, side, 3]."""
        canvas, *before = (layer.seen(n, self.side) for layer in self.layers)
        for figure in before:
            canvas.paste(figure, mask=figure)
        return np.asarray(canvas)

    def drawing(self, n: int) -> tuple[Pose, ...]:
        """Tell frames apart: those that show the same have the same drawing."""
        return tuple(layer.path[n] for layer in self.layers)


class SceneMaker:
    """Draw scenes by chance.

    Args:
        facts: What happens in a clip, and how often.
        side: Width and height of the frames, in pixels of the original.
        scale: Size of the original over that of what the network sees.
    """

    def __init__(self, facts: ClipFacts, side: int, scale: int) -> None:
        self._facts, self._side, self._scale = facts, side, scale
        shares = np.array(list(facts.motions.values()))
        self._motions, self._motion_shares = list(facts.motions), shares / shares.sum()

    def make(self, background: Picture, other: Picture, middle: int, draw: np.random.Generator) -> Scene:
        """Make a scene.

        Args:
            background: [H, W, 3], larger than the frames by what the camera is to travel.
            other: [H, W, 3], what a figure is cut from.
            middle: The frame that is to show its background as it is, looked up at no fraction of a pixel.
            draw: Where all chance comes from.
        """
        from PIL import Image

        times = self._times(middle, draw)
        motion = self._motions[draw.choice(len(self._motions), p=self._motion_shares)]
        path = self._path(motion, times, draw)
        layers = [Layer(Image.fromarray(np.ascontiguousarray(background)), self._kept_inside(path, background, draw))]
        if draw.random() < self._facts.figure:
            figure = _figure(other, self._side, draw)
            layers.append(Layer(figure, self._path(_figure_motion(draw), self._times(middle, draw), draw)))
        return Scene(layers, self._side)

    def _times(self, middle: int, draw: np.random.Generator) -> list[int]:
        """When each frame's drawing was made, in frames, 0 for the middle one; drawings may be held."""
        held = int(draw.choice(_HOLDS)) if draw.random() < self._facts.held else 1
        phase = int(draw.integers(held))
        drawings = [(n + phase) // held for n in range(self._facts.length)]
        return [drawing - drawings[middle] for drawing in drawings]

    def _path(self, motion: str, times: list[int], draw: np.random.Generator) -> list[Pose]:
        moves: dict[str, Callable[[], list[Pose]]] = {
            "still": lambda: [Pose(0, 0) for _ in times],
            "pan": lambda: self._pan(times, draw),
            "drift": lambda: _turning(times, draw, zoom=0, turn=0),
            "turn": lambda: _turning(times, draw, zoom=_ZOOM, turn=_TURN),
            "shake": lambda: _shaking(times, draw),
        }
        return moves[motion]()

    def _pan(self, times: list[int], draw: np.random.Generator) -> list[Pose]:
        """By whole pixels of the original, so that no frame is less sharp than another: fractions for the network."""
        fastest = round(self._facts.speed * self._scale)
        # Slow ones are as common as fast ones on a scale of doublings.
        speed = np.exp(draw.uniform(0, np.log(fastest))) * np.array([[1, 1], [1, 0], [0, 1]])[draw.integers(3)]
        right, down = (int(v) for v in (speed * draw.choice((-1, 1), 2) * draw.uniform(0.3, 1, 2)).round())
        return [Pose(right * time, down * time) for time in times]

    def _kept_inside(self, path: list[Pose], picture: Picture, draw: np.random.Generator) -> list[Pose]:
        """Put a path's middle somewhere in a picture, and stop the camera at the picture's border."""
        room = np.array([picture.shape[1] - self._side, picture.shape[0] - self._side]) / 2
        if any(pose.zoom != 1 or pose.angle for pose in path):
            room = np.maximum(room - _TURNING_ROOM, 0)
        steps = np.array([pose[:2] for pose in path])
        least, most = -room - steps.min(axis=0), room - steps.max(axis=0)
        middle = np.where(least < most, draw.uniform(np.minimum(least, most), np.maximum(least, most)), 0)
        whole = np.round(middle + room) - room  # the middle frame begins at a whole pixel
        places = (steps + whole).clip(-room, room)
        return [pose._replace(x=float(x), y=float(y)) for pose, (x, y) in zip(path, places, strict=True)]


def _turning(times: list[int], draw: np.random.Generator, zoom: float, turn: float) -> list[Pose]:
    right, down = draw.uniform(-_DRIFT, _DRIFT, 2)
    growth, angle = draw.uniform(-zoom, zoom), draw.uniform(-turn, turn)
    return [Pose(right * time, down * time, (1 + growth) ** time, angle * time) for time in times]


def _shaking(times: list[int], draw: np.random.Generator) -> list[Pose]:
    strayed = draw.normal(0, _SHAKE, (len(times), 2)).cumsum(axis=0)
    strayed -= strayed[times.index(0)]
    return [Pose(*strayed[times.index(time)]) for time in times]


def _figure_motion(draw: np.random.Generator) -> Motion:
    motions: tuple[Motion, ...] = ("pan", "drift", "turn", "shake")
    return motions[draw.integers(len(motions))]


def _figure(picture: Picture, side: int, draw: np.random.Generator) -> Any:
    """Cut a shape of a few ellipses out of a picture, its edge about a pixel soft: a Pillow image, RGBA."""
    from PIL import Image, ImageDraw, ImageFilter

    image: Any = Image.fromarray(np.ascontiguousarray(picture))
    mask = Image.new("L", image.size)
    pen, middle = ImageDraw.Draw(mask), np.array(image.size) / 2 + draw.uniform(-side / 4, side / 4, 2)
    for _ in range(_BLOBS):
        x, y = middle + draw.normal(0, side / 10, 2)
        across, down = draw.uniform(side / 20, side / 5, 2)
        pen.ellipse((x - across, y - down, x + across, y + down), fill=255)
    image.putalpha(mask.filter(ImageFilter.GaussianBlur(draw.uniform(0.6, 1.5))))
    return image
