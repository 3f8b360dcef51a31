"""Clips upscaled by a network that looks at neighbours: which it is shown, and that the order does not matter."""

import random
from collections.abc import Callable

import numpy as np
import pytest
import torch
import vapoursynth as vs

import vsfdat
from vsfdat.arch import TFDAT
from vsfdat.frames import planes

WIDTH, HEIGHT, LENGTH = 40, 24, 9
TOLERANCE = 2e-5


@pytest.fixture(scope="module")
def network() -> TFDAT:
    torch.manual_seed(0)
    network = TFDAT(embed_dim=16, num_groups=1, depth_per_group=1, num_heads=2, scale=2, flow_base_ch=4)
    return network.eval().requires_grad_(False)


def picture(n: int) -> np.ndarray:
    """Draw frame n [3, H, W]: coarse blocks, another scene from frame 5 on, a little brighter with each frame."""
    blocks = np.random.default_rng(n >= 5).random((3, 3, 5)).astype(np.float32)
    return np.kron(blocks, np.ones((8, 8), np.float32)) * 0.8 + 0.02 * n


def make_clip(asked: list[int] | None = None, **props: int) -> vs.VideoNode:
    """Make the clip of these pictures, which notes what is asked of it."""
    blank = vs.core.std.BlankClip(width=WIDTH, height=HEIGHT, format=vs.RGBS, length=LENGTH)

    def fill(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        if asked is not None:
            asked.append(n)
        frame = f.copy()
        for plane, drawn in zip(planes(frame), picture(n), strict=True):
            plane[:] = drawn
        return frame

    clip = blank.std.ModifyFrame(blank, fill)
    return clip.std.SetFrameProps(**props) if props else clip


def read(clip: vs.VideoNode, n: int) -> np.ndarray:
    with clip.get_frame(n) as frame:
        return np.stack(planes(frame)).copy()


def expected(network: TFDAT, *numbers: int) -> np.ndarray:
    """What the plain network makes of these pictures."""
    with torch.inference_mode():
        made = network(torch.from_numpy(np.stack([picture(n) for n in numbers]))[None])
    return made[0].clamp(0, 1).numpy()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n", "frames", "numbers"),
    [
        (0, 5, (0, 0, 0, 1, 2)),
        (1, 5, (0, 0, 1, 2, 3)),
        (2, 5, (0, 1, 2, 3, 4)),
        (3, 5, (1, 2, 3, 4, 4)),
        (4, 5, (2, 3, 4, 4, 4)),
        (5, 5, (5, 5, 5, 6, 7)),
        (8, 5, (6, 7, 8, 8, 8)),
        (2, 3, (1, 2, 3)),
        (2, 7, (0, 0, 1, 2, 3, 4, 4)),
    ],
)
def test_each_frame_sees_its_neighbours_up_to_the_ends_and_the_cut(network, n, frames, numbers) -> None:
    clip = vsfdat.upscale(make_clip(), network, frames=frames)
    np.testing.assert_allclose(read(clip, n), expected(network, *numbers), atol=TOLERANCE)


def test_where_frames_say_that_there_is_no_cut_there_is_none(network: TFDAT) -> None:
    clip = vsfdat.upscale(make_clip(_SceneChangePrev=0), network)
    np.testing.assert_allclose(read(clip, 4), expected(network, 2, 3, 4, 5, 6), atol=TOLERANCE)


@pytest.mark.slow
def test_any_order_of_access_gives_the_same_bits(network: TFDAT) -> None:
    in_order = vsfdat.upscale(make_clip(), network)
    wanted = [read(in_order, n) for n in range(LENGTH)]
    order = random.Random(0).sample(range(LENGTH), LENGTH)
    shuffled = vsfdat.upscale(make_clip(), network, num_streams=2)
    for future, n in [(shuffled.get_frame_async(n), n) for n in [*order, *order]]:
        with future.result() as frame:
            np.testing.assert_array_equal(np.stack(planes(frame)), wanted[n])


def test_a_frame_asks_for_its_neighbours_and_nothing_else(network: TFDAT) -> None:
    asked: list[int] = []
    read(vsfdat.upscale(make_clip(asked), network), 6)
    assert sorted(asked) == [4, 5, 6, 7, 8]


def test_in_order_each_frame_of_the_source_is_made_once(network: TFDAT) -> None:
    asked: list[int] = []
    for frame in vsfdat.upscale(make_clip(asked), network).frames(close=True):
        assert frame.width == 2 * WIDTH
    assert sorted(asked) == list(range(LENGTH))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "numbers"),
    [
        (lambda clip: clip[2:], {0: (2, 2, 2, 3, 4)}),
        (lambda clip: clip[:3], {2: (0, 1, 2, 2, 2)}),
        (lambda clip: clip[1] + clip[6:8], {0: (1, 1, 1, 1, 1), 1: (6, 6, 6, 7, 7)}),
        (lambda clip: clip[3], {0: (3, 3, 3, 3, 3)}),
        (lambda clip: clip.std.Reverse()[4:], {0: (4, 4, 4, 3, 2)}),
    ],
    ids=["begun later", "ended earlier", "spliced", "one frame", "reversed"],
)
def test_cut_and_joined_clips_have_the_neighbours_that_they_show(
    network: TFDAT, change: Callable[[vs.VideoNode], vs.VideoNode], numbers: dict[int, tuple[int, ...]]
) -> None:
    clip = vsfdat.upscale(change(make_clip()), network)
    for n, around in numbers.items():
        np.testing.assert_allclose(read(clip, n), expected(network, *around), atol=TOLERANCE)


def test_what_follows_may_cut_and_join_too(network: TFDAT) -> None:
    clip = vsfdat.upscale(make_clip(), network)
    joined = clip[7:] + clip[:3]
    np.testing.assert_array_equal(read(joined, 4), read(clip, 2))


def test_an_even_number_of_frames_is_refused(network: TFDAT) -> None:
    with pytest.raises(vs.Error, match=r"^vsfdat.upscale: frames must be odd and at least 3, passed 4$"):
        vsfdat.upscale(make_clip(), network, frames=4)


def test_other_models_look_at_one_frame(network: TFDAT) -> None:
    asked: list[int] = []
    read(vsfdat.upscale(make_clip(asked), frames=7), 4)
    assert asked == [4]
