import logging

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vsfdat.arch import FDAT
from vsfdat.engine import build
from vsfdat.engine.tiles import Fitting, Room, Tiled, lay_tiles, ramps
from vsfdat.errors import OutOfMemoryError

CPU = torch.device("cpu")
LENGTHS = st.integers(1, 700)
TILES = st.integers(1, 400)
OVERLAPS = st.integers(0, 200)
GRIDS = st.sampled_from([4, 8, 16, 32])


class Nearest:
    """An engine that depends on nothing but the pixel, so that any seam shows; out of memory above some size."""

    device = CPU
    scale = 2

    def __init__(self, most_pixels: int = 1 << 30) -> None:
        self.most_pixels = most_pixels
        self.sizes: list[tuple[int, int]] = []

    def __call__(self, frame: Tensor) -> Tensor:
        _, height, width = frame.shape
        self.sizes.append((width, height))
        if width * height > self.most_pixels:
            raise torch.OutOfMemoryError("out of memory")
        return nearest(frame)


def nearest(frame: Tensor) -> Tensor:
    return frame.repeat_interleave(2, 1).repeat_interleave(2, 2)


@given(LENGTHS, TILES, OVERLAPS, GRIDS)
def test_tiles_are_equal_aligned_and_cover_the_axis(length: int, tile: int, overlap: int, multiple: int) -> None:
    axis = lay_tiles(length, tile, overlap, multiple)
    assert axis.starts[0] == 0
    assert axis.starts[-1] + axis.tile == axis.length
    assert length <= axis.length < length + multiple
    if len(axis.starts) == 1:
        assert axis.length == length  # a whole axis is left as it is
        return
    assert axis.tile % multiple == 0
    assert axis.tile - multiple < tile <= axis.tile
    assert all(start % multiple == 0 for start in axis.starts)


@given(LENGTHS, TILES, OVERLAPS, GRIDS)
def test_neighbours_share_the_overlap_or_half_a_tile(length: int, tile: int, overlap: int, multiple: int) -> None:
    axis = lay_tiles(length, tile, overlap, multiple)
    wanted = min(overlap, axis.tile // 2 // multiple * multiple)
    for start, following in zip(axis.starts, axis.starts[1:], strict=False):
        assert start < following
        assert start + axis.tile - following >= wanted


@given(LENGTHS, TILES, OVERLAPS, GRIDS)
def test_no_fewer_tiles_would_do(length: int, tile: int, overlap: int, multiple: int) -> None:
    axis = lay_tiles(length, tile, overlap, multiple)
    if len(axis.starts) > 1:
        shared = min(-(-overlap // multiple), axis.tile // multiple // 2) * multiple
        fewer = len(axis.starts) - 1
        assert fewer * axis.tile - (fewer - 1) * shared < axis.length


@given(LENGTHS, TILES, OVERLAPS, GRIDS, st.sampled_from([1, 2, 3]))
def test_weights_sum_to_one_everywhere(length: int, tile: int, overlap: int, multiple: int, scale: int) -> None:
    axis = lay_tiles(length, tile, overlap, multiple)
    total = torch.zeros(axis.length * scale)
    for start, weight in zip(axis.starts, ramps(axis, scale), strict=True):
        assert (weight >= 0).all()
        total[start * scale : (start + axis.tile) * scale] += weight
    torch.testing.assert_close(total, torch.ones_like(total))


def test_a_feather_rises_over_the_overlap() -> None:
    first, second = ramps(lay_tiles(48, 32, 16, 8), 1)
    torch.testing.assert_close(first[:16], torch.ones(16))
    torch.testing.assert_close(second[:16], (torch.arange(16) + 0.5) / 16)
    torch.testing.assert_close(first[16:], second[:16].flip(0))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), TILES, TILES, OVERLAPS)
def test_tiling_a_local_engine_changes_nothing(width: int, height: int, tile_w: int, tile_h: int, overlap: int) -> None:
    frame = torch.rand(3, height, width)
    tiled = Tiled(Nearest(), (tile_w, tile_h), overlap)
    torch.testing.assert_close(tiled(frame), nearest(frame))


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "unshuffle"])
def tiny(request: pytest.FixtureRequest) -> FDAT:
    torch.manual_seed(0)
    return FDAT(
        scale=2, embed_dim=8, num_heads=2, num_groups=1, depth_per_group=1, mid_dim=8, unshuffle_mod=request.param
    ).eval()


@settings(max_examples=12, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 48), st.integers(1, 48), st.integers(0, 40))
def test_any_tile_of_any_frame_is_finite_and_the_right_size(
    tiny: FDAT, width: int, height: int, tile_w: int, tile_h: int, overlap: int
) -> None:
    engine = build(tiny, device=CPU, precision="fp32")()
    tiled = Tiled(engine, (tile_w, tile_h), overlap, tiny.config.window_size * tiny.config.unshuffle)
    with torch.inference_mode():
        picture = tiled(torch.rand(3, height, width))
    assert picture.shape == (3, height * 2, width * 2)
    assert picture.isfinite().all()


def test_the_engine_sees_one_size_of_tile() -> None:
    engine = Nearest()
    Tiled(engine, (33, 20), 8)(torch.rand(3, 101, 75))
    assert set(engine.sizes) == {(40, 24)}
    assert len(engine.sizes) == 3 * 6  # 80 of 75+ wide in steps of at most 32; 104 high in steps of at most 16


def test_out_of_memory_halves_the_tile_and_is_remembered(caplog: pytest.LogCaptureFixture) -> None:
    room = Room(None, 16, 8)
    engine = Nearest(most_pixels=64 * 64)
    frame = torch.rand(3, 100, 200)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            torch.testing.assert_close(Fitting(engine, room)(frame), nearest(frame))
    # 200x100 did not fit, nor did 104x100; 56x100 neither; 56x56 does, and is what the next frames begin with.
    assert engine.sizes[:3] == [(200, 100), (104, 100), (56, 100)]
    assert set(engine.sizes[3:]) == {(56, 56)}
    assert [record.getMessage() for record in caplog.records] == [
        "Out of memory on cpu for frames of 200x100: going on in tiles of 56x56, which only approximates the "
        "picture that the whole frame gives. Fewer num_streams leave more room."
    ]


def test_slots_do_not_undo_or_repeat_each_others_halving() -> None:
    room = Room((64, 64), 16, 8)
    room.shrink((64, 64), (500, 500))
    room.shrink((64, 64), (500, 500))  # another slot, that failed at the same tile at the same time
    assert room.tile == (32, 64)
    room.shrink((32, 64), (500, 500))
    room.shrink((64, 64), (500, 500))  # a third, slower one
    assert room.tile == (32, 32)


def test_out_of_memory_below_the_smallest_tile_is_an_error() -> None:
    with pytest.raises(OutOfMemoryError) as caught:
        Fitting(Nearest(most_pixels=63), Room(None, 16, 8))(torch.rand(3, 50, 50))
    assert str(caught.value) == (
        "out of memory even for a tile of 8x8, free some memory on the device or use another one"
    )


def test_the_cpu_allocator_has_its_own_words() -> None:
    class Cpu(Nearest):
        def __call__(self, frame: Tensor) -> Tensor:
            if frame.shape[2] > 24:
                raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to ...")
            return super().__call__(frame)

    frame = torch.rand(3, 50, 50)
    torch.testing.assert_close(Fitting(Cpu(), Room(None, 16, 8))(frame), nearest(frame))


def test_other_errors_pass_through() -> None:
    class Broken(Nearest):
        def __call__(self, frame: Tensor) -> Tensor:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        Fitting(Broken(), Room(None, 16, 8))(torch.rand(3, 50, 50))
