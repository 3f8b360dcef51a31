"""The sizes that the kernels and the host reckon with: integers, the same for every network."""

# A block of threads works on a tile of pixels: two windows beside each other, of which its warps have equal shares.
TILE_H, TILE_W = 8, 16
WINDOW = 8
HEAD_DIM = 32  # channels of an attention head, padded
TAPS = 12  # pairs that two channels' depthwise taps take
SPAN = 128  # pixels that the Gram matrix is summed over at a time
SIDE = 16  # of the tiles that small matrices are multiplied in
REDUCE_THREADS = 256  # of a block of spatial_reduce

# The sources have no numbers of their own for these.
CONSTANTS = {
    "TILE_H": TILE_H, "TILE_W": TILE_W, "WINDOW": WINDOW, "HEAD_DIM": HEAD_DIM, "TAPS": TAPS, "SPAN": SPAN,
    "SIDE": SIDE, "REDUCE_THREADS": REDUCE_THREADS,
}  # fmt: skip

HALO = (TILE_H + 2) * (TILE_W + 2)


def eighths(c: int) -> int:
    """Round channels up to a multiple of 8."""
    return -(-c // 8) * 8


def odd_eighths(c: int) -> int:
    """Numbers a pixel of C channels takes in shared memory: an odd number of eighths."""
    return (-(-c // 8) | 1) * 8


def tile_bytes(c: int) -> int:
    """Shared memory of a tile with its ring, normalised, and of the depthwise taps: what three kernels begin with."""
    return 2 * (HALO * odd_eighths(c) + TAPS * eighths(c))
