"""The VapourSynth door: check, load, build, wire the clip."""

import contextlib
import logging
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import vapoursynth as vs
import vsutil

from . import color, mlrt
from .arch import FDAT, TFDAT
from .engine import Engine
from .engine.slots import build_slots, count_slots, settle_precision
from .errors import VsfdatError
from .frames import Landed, Plane, Staging, Uploads, planes
from .models import DEFAULT_MODEL, load_model
from .neighbours import Neighbours
from .notices import Once
from .options import Kind, PrecisionChoice, UpscaleOptions
from .pipeline import Pipeline, Slot

__all__ = ["count_slots", "settle_precision", "upscale"]


@dataclass(frozen=True)
class _Source:
    """A frame's number and planes, and the samples that mean 0 and 1."""

    number: int
    planes: Sequence[Plane]
    levels: tuple[int, int]


# From the frames that a network looks at, and the samples wanted, to a picture.
type _Pipeline = Pipeline[[Sequence[_Source], np.dtype[Any]], Landed]


def upscale(
    clip: vs.VideoNode,
    model: str | Path | FDAT = DEFAULT_MODEL,
    *,
    device: str | Sequence[str] = UpscaleOptions.device,
    precision: PrecisionChoice = UpscaleOptions.precision,
    tile: tuple[int, int] | None = UpscaleOptions.tile,
    overlap: int = UpscaleOptions.overlap,
    num_streams: int | None = UpscaleOptions.num_streams,
    engine: Kind = UpscaleOptions.engine,
    frames: int = UpscaleOptions.frames,
    compile: bool = UpscaleOptions.compile,
) -> vs.VideoNode:
    """Upscale a clip with FDAT.

    Nothing is computed until frames are asked for. Matrix, range and chroma location are taken from each frame's
    properties; a missing matrix is guessed from the size and the log says so.

    Args:
        clip: Any constant format and size. Gray becomes RGB, unless the network has one channel; a network of one
            channel is run on each plane of RGB.
        model: A name that `list_models` gives, the path of a checkpoint, or a network that `load_model` gave; or a
            published model that `vsfdat models --all` lists, which is fetched here, once.
        device: "auto" for the GPU or else the CPU, or a name such as "cpu", "cuda:1", "mps"; several names, with commas
            between or as a list, share the frames among them.
        precision: "fp32", "fp16", "bf16", or "auto": fp16 on CUDA, fp32 elsewhere.
        tile: Width and height in pixels of the pieces that a frame is cut into, overlap included, rounded up to the
            network's window; None for whole frames. Tiles need less memory and only approximate the whole frame's
            picture.
        overlap: Pixels that neighbouring tiles share and are blended over; at most half a tile is used.
        num_streams: Frames at a time on each device; None for 2 on CUDA, 1 elsewhere (on a CPU one frame uses all
            cores).
        engine: "exact" gives the whole frame's picture in strips, fast and in little memory; "reference" runs the plain
            network, to compare with; "mlrt" hands it to an installed plugin of vs-mlrt, which `device` may name, as in
            "ov", "ort:1" or "cpu".
        frames: As many successive frames as a temporal model (TFDAT) looks at for each of them: odd, at least 3. Beyond
            the clip's ends and beyond cuts it is shown the nearest frame on this side. Other models look at one frame.
        compile: Whether torch.compile builds the plain network of `engine="reference"`, which takes a minute or more at
            the first frame. The exact engine's kernels are compiled in any case.

    Returns:
        RGBH where `clip` is RGBH, else RGBS (or GRAYH and GRAYS, from a gray clip and a network of one channel),
        gamma-encoded in [0, 1], `scale` times the size. Frame properties are kept, transfer and primaries too;
        transparency (`_Alpha`) is resized, linearly.

    Raises:
        vapoursynth.Error: An argument, the clip or the model is unusable; or, when a frame is asked for, that frame
            could not be made.
    """
    with _as_vs_error():
        _check_clip(clip)
        options = UpscaleOptions(
            device=device, precision=precision, tile=tile, overlap=overlap, num_streams=num_streams, engine=engine,
            frames=frames, compile=compile,
        )  # fmt: skip
        module = model if isinstance(model, FDAT) else load_model(model)
        target = color.network_format(clip, _channels(module))
        if options.engine == "mlrt":
            source = color.to_network(clip.std.ModifyFrame(clip, _sort_out()), target)
            return mlrt.upscale(source, target, module, options, _alpha_resizer)
        reach = options.frames // 2 if isinstance(module, TFDAT) else 0
        slots = [Slot(work, device) for device, work in _workers(build_slots(module, options), reach)]
        return _wire(clip, target, module.config.scale, Pipeline(slots, _is_script_over()), reach)


def _check_clip(clip: object) -> None:
    if not isinstance(clip, vs.VideoNode):
        raise ValueError(f"clip must be a video clip, passed {type(clip).__name__}")
    _check_frames(clip)


def _check_frames(clip: vs.VideoNode) -> None:
    if clip.format.id == 0:
        raise ValueError("clip has a variable format, make it constant first, as with clip.resize.Bicubic(format=...)")
    if clip.width == 0:
        raise ValueError("clip has a variable size, make it constant first, as with clip.resize.Bicubic(width, height)")
    if getattr(clip, "gpu_resident", False):  # such clips are newer than R78
        raise ValueError("clip is in GPU memory, bring it back first with clip.std.GPUDownload()")
    if clip.format.sample_type == vs.INTEGER and vsutil.get_depth(clip) > 16:
        raise ValueError(
            f"clip must have at most 16 bits where it is integer, passed {clip.format.name}; convert it to float first"
        )


def _channels(module: FDAT) -> int:
    config = module.config
    if config.num_in_ch != config.num_out_ch or config.num_in_ch not in (1, 3):
        raise ValueError(
            "model must have 1 or 3 channels, as many out as in, "
            f"passed one of {config.num_in_ch} in and {config.num_out_ch} out"
        )
    return config.num_in_ch


def _workers(engines: Sequence[Engine], reach: int) -> Iterator[tuple[torch.device, Callable[..., Landed]]]:
    """Make what each slot does with a frame: up to its device, through the network, and back."""
    devices = [engine.device for engine in engines]
    # For the frames that are looked at again, by whichever slot.
    shared = {device: Uploads(2 * reach + devices.count(device)) for device in devices}
    for engine in engines:
        yield engine.device, _temporal(engine, shared[engine.device]) if reach else _spatial(engine)


def _spatial(engine: Engine) -> Callable[..., Landed]:
    staging = Staging(engine.device)

    def work(sources: Sequence[_Source], samples: np.dtype[Any]) -> Landed:
        (source,) = sources
        return staging.download(engine(staging.upload(source.planes, source.levels)), samples)

    return work


def _temporal(engine: Engine, uploads: Uploads) -> Callable[..., Landed]:
    staging = Staging(engine.device)

    def work(sources: Sequence[_Source], samples: np.dtype[Any]) -> Landed:
        pictures = [uploads.get(each.number, staging, each.planes, each.levels) for each in sources]
        return staging.download(engine(torch.stack(pictures)), samples)

    return work


def _wire(clip: vs.VideoNode, target: vs.VideoFormat, scale: int, pipeline: _Pipeline, reach: int) -> vs.VideoNode:
    """Make the clip whose frames the pipeline makes.

    A ModifyFrame calls back for one frame at a time, so each frame gets its own; FrameEval lets them run side by side.
    """
    source = color.to_network(clip.std.ModifyFrame(clip, _sort_out()), target)
    blank = source.std.BlankClip(clip.width * scale, clip.height * scale, target.id, keep=True)
    resize_alpha, choose = _alpha_resizer(blank), _chooser(clip.num_frames, reach)

    def maker(n: int, f: Any) -> vs.VideoNode:  # noqa: ARG001 (FrameEval's parameters)
        around: list[vs.VideoFrame] = f if reach else [f]
        alpha = resize_alpha(around[reach])

        def selector(n: int, f: Any, around: list[vs.VideoFrame] = around) -> vs.VideoFrame:
            with _as_vs_error(f"frame {n}: "):
                frame = vs.core.create_video_frame(blank.format, blank.width, blank.height)
                made = planes(frame)
                pipeline(choose(n, around), made[0].dtype).into(made)
                color.describe_output(frame, around[reach].props, f[1] if alpha else None)
                return frame

        return blank.std.ModifyFrame([blank, alpha] if alpha else blank, selector)

    _close_with_core(pipeline)
    return blank.std.FrameEval(maker, prop_src=_around(source, reach))


def _around(source: vs.VideoNode, reach: int) -> list[vs.VideoNode]:
    """Make for each place around a frame a clip that has what is there, the first and the last one repeated."""
    count = source.num_frames
    before = [(source[0] * distance + source)[:count] for distance in range(reach, 0, -1)]
    return [*before, source, *((source + source[-1] * distance)[distance:] for distance in range(1, reach + 1))]


def _chooser(count: int, reach: int) -> Callable[[int, Sequence[vs.VideoFrame]], list[_Source]]:
    """Make what chooses the frames that a network is shown, of those around a frame of a clip of `count`."""
    neighbours = Neighbours()

    def choose(n: int, around: Sequence[vs.VideoFrame]) -> list[_Source]:
        levels = color.levels(around[reach])
        numbers = [min(max(n + step, 0), count - 1) for step in range(-reach, reach + 1)]
        places = neighbours.choose(numbers, around, levels)
        return [_Source(numbers[place], planes(around[place]), levels) for place in places]

    return choose


def _sort_out() -> Callable[[int, vs.VideoFrame], vs.VideoFrame]:
    sort_out = color.sort_out()

    def selector(n: int, f: vs.VideoFrame) -> vs.VideoFrame:
        with _as_vs_error(f"frame {n}: "):
            return sort_out(f)

    return selector


def _alpha_resizer(blank: vs.VideoNode) -> Callable[[vs.VideoFrame], vs.VideoNode | None]:
    """Make what gives the transparency of a frame in the size of another clip, as a clip of its length."""
    once = Once(logging.getLogger(__name__))

    def resize(frame: vs.VideoFrame) -> vs.VideoNode | None:
        alpha = frame.props.get("_Alpha")
        if alpha is None:
            return None
        resized = color.resized(alpha, blank.width, blank.height)
        if resized is None:
            once.warning("The clip's transparency is left out: VapourSynth cannot resize %s.", alpha.format.name)
            return None
        return resized.std.Loop(blank.num_frames)

    return resize


def _is_script_over() -> Callable[[], bool]:
    """Make what tells whether this script is being closed, from any thread.

    VapourSynth waits for all frames that were asked for before it calls what is registered on destroy, and refuses to
    register more in the meantime.
    """
    environment = vs.get_current_environment()

    def nothing() -> None: ...

    def is_over() -> bool:
        try:
            with environment.use():
                vs.register_on_destroy(nothing)
                vs.unregister_on_destroy(nothing)
        except (ValueError, RuntimeError):  # being destroyed, or destroyed already
            return True
        return False

    return is_over


def _close_with_core(pipeline: _Pipeline) -> None:
    """Free threads and device memory before VapourSynth frees the script; a previewer's process lives on.

    Weakly, because a clip that its script drops should not wait for that.
    """
    alive = weakref.ref(pipeline)

    def close() -> None:
        if (pipeline := alive()) is not None:
            pipeline.close()

    vs.register_on_destroy(close)


@contextlib.contextmanager
def _as_vs_error(where: str = "") -> Iterator[None]:
    """Turn what the lower layers raise into VapourSynth's error; what nobody foresaw keeps its traceback."""
    try:
        yield
    except vs.Error:
        raise
    except Exception as error:
        foreseen = isinstance(error, VsfdatError | ValueError)
        raise vs.Error(f"vsfdat.upscale: {where}{error}") from (None if foreseen else error)
