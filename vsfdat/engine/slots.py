"""What a slot runs, and how many slots a device has: the same for clips, benchmarks and measurements."""

import functools
import logging
from collections.abc import Sequence

import torch

from vsfdat.arch import FDAT, TFDAT, FDATConfig
from vsfdat.notices import Once
from vsfdat.options import UpscaleOptions

from . import Engine, EngineFactory, Kind, build, choose_precision, find_devices, temporal
from .ensemble import Ensemble
from .graphs import Graphed
from .guard import Guarded
from .planes import PerPlane
from .tiles import Fitting, Room, Size

_log = logging.getLogger(__name__)


def build_slot(
    module: FDAT,
    device: torch.device,
    precision: str = "auto",
    *,
    tile: Size | None = None,
    overlap: int = UpscaleOptions.overlap,
    kind: Kind = "exact",
    compile: bool = False,
) -> EngineFactory:
    """Prepare what each slot of a device runs: the network, and around it what keeps frames coming.

    The network is replayed from a CUDA graph where it can be, cut into tiles where memory is short, run again in fp32
    where low precision gives NaN or Inf, and run on each plane where it has one channel. A TFDAT takes several frames,
    [T, 3, H, W], and gives the picture of the middle one.

    Args:
        module: The network; it is copied, not changed.
        device: Where it will run.
        precision: "fp32", "fp16", "bf16", or "auto" for what suits the device.
        tile: Width and height in pixels of the tiles to begin with; None for the whole frame.
        overlap: Pixels that neighbouring tiles share at least.
        kind: As `build` takes it.
        compile: As `build` takes it.

    Returns:
        A factory to call once a slot: the engines share weights, the size of tiles, and what the log says once.

    Raises:
        ValueError: There is no such precision or kind, or nothing to compile in it.
    """
    settled = choose_precision(precision, device)
    prepare = functools.partial(build, module, device=device, kind=kind, compile=compile)
    make, make_full = prepare(precision=settled), functools.cache(lambda: prepare(precision="fp32"))
    room, once = Room(tile, overlap, _grid(module.config)), Once(_log)
    align = temporal.build(module, device, plain=kind == "reference") if isinstance(module, TFDAT) else None

    def slot() -> Engine:
        # Without a graph: frames that need it are few, and the memory of a second one is not.
        full = None if settled == "fp32" else lambda: Fitting(make_full()(), room)
        engine = Guarded(Fitting(Graphed(make(), once), room), full, once)
        if align is not None:
            return temporal.Aligned(engine, align)
        return PerPlane(engine) if module.config.num_in_ch == 1 else engine

    return slot


def build_slots(module: FDAT, options: UpscaleOptions) -> list[Engine]:
    """Build the engines of all slots that a clip asks for.

    Raises:
        ValueError: A device, the precision or the kind is not there, or there is nothing to compile in it.
    """
    engines: list[Engine] = []
    for place in find_devices(options.device):
        make = build_slot(
            module, place, options.precision, tile=options.tile, overlap=options.overlap, kind=options.engine,
            compile=options.compile,
        )  # fmt: skip
        slots = [make() for _ in range(_streams(place, options.num_streams))]
        engines += map(Ensemble, slots) if options.ensemble else slots
    return engines


def count_slots(device: str | Sequence[str] = "auto", num_streams: int | None = None) -> int:
    """Say how many frames `upscale` works on at a time, by its arguments of these names."""
    return sum(_streams(place, num_streams) for place in find_devices(device))


def settle_precision(device: str | Sequence[str], precision: str) -> str:
    """Name what `upscale` computes in, by its arguments of these names, as in "fp16"; several with commas."""
    return ", ".join(sorted({choose_precision(precision, place) for place in find_devices(device)}))


def _grid(config: FDATConfig) -> int:
    """Side in pixels of one attention window: what tiles begin and end on."""
    return config.window_size * config.unshuffle


def _streams(device: torch.device, wanted: int | None) -> int:
    # On a GPU a second frame fills the gaps while the first is copied; on a CPU it would only fight for the cores.
    return wanted or (2 if device.type == "cuda" else 1)
