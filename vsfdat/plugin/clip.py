"""The VapourSynth door: check, load, build, wire the clip."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import vapoursynth as vs
import vsutil

from vsfdat import color, mlrt
from vsfdat.arch import FDAT, TFDAT
from vsfdat.engine.slots import build_slots
from vsfdat.errors import VsfdatError
from vsfdat.frames import planes
from vsfdat.models import DEFAULT_MODEL, load_model
from vsfdat.notices import Once
from vsfdat.options import Kind, PrecisionChoice, UpscaleOptions
from vsfdat.pipeline import Pipeline

from .finish import finish, settle, to_format
from .neighbours import Neighbours
from .repeats import Repeats, Source
from .script import close_with_core, is_script_over
from .workers import SourcePipeline, make_slots

# From the frames that a network looks at to a picture, and whether it was there already.
type _Make = Callable[[Sequence[Source]], tuple[vs.VideoFrame, bool]]


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
    height: int | None = UpscaleOptions.height,
    scale: float | None = UpscaleOptions.scale,
    square_pixels: bool = UpscaleOptions.square_pixels,
    format: int | None = None,
    strength: float = UpscaleOptions.strength,
    ensemble: bool = UpscaleOptions.ensemble,
    dedup: float | None = UpscaleOptions.dedup,
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
        height: Of the result in pixels; its width follows, rounded to an even one. The network goes over the picture as
            often as that takes (a 2x model twice for three times the size), and Lanczos does the rest.
        scale: Width and height of the result in times the clip's, instead of a height.
        square_pixels: Widen or narrow the result until its pixels are square, by the first frame's `_SARNum` and
            `_SARDen`.
        format: Of the result, as in vs.YUV420P10: dithered, with the matrix, range and siting of the clip's first frame
            where that is YUV. None for RGB.
        strength: Of what the network does: 0 is the plainly resized picture (Lanczos), 1 the network's alone.
        ensemble: Take the mean of what the network makes of eight flips and rotations, in eight times the time.
        dedup: Frames that are identical to one of the last few are not computed again; with a number above 0 also those
            in which no block of 8x8 pixels differs by more, on average, in steps of 8 bits (what they show then depends
            on which was asked for first). None to compute every frame. Frames that were not computed have the property
            `VsfdatRepeat`.
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
        clip = _on_host(clip)
        _check_frames(clip)
        options = UpscaleOptions(
            device=device, precision=precision, tile=tile, overlap=overlap, num_streams=num_streams, engine=engine,
            height=height, scale=scale, square_pixels=square_pixels, strength=strength, ensemble=ensemble, dedup=dedup,
            frames=frames, compile=compile,
        )  # fmt: skip
        module = model if isinstance(model, FDAT) else load_model(model)
        target, how = color.network_format(clip, _channels(module)), settle(clip, module.config.scale, options)
        upscaled = source = _prepare(clip, target)
        for _ in range(how.passes):
            upscaled = _pass_over(upscaled, module, target, options)
        made = finish(upscaled, source, how)
        return made if format is None else to_format(made, format, clip)


def _on_host(clip: object) -> vs.VideoNode:
    """Bring a clip back that is in GPU memory, where this VapourSynth has such clips."""
    if getattr(clip, "gpu_resident", False):
        clip = clip.std.GPUDownload()  # type: ignore[attr-defined]
    if not isinstance(clip, vs.VideoNode):
        raise ValueError(f"clip must be a video clip, passed {type(clip).__name__}")
    return clip


def _check_frames(clip: vs.VideoNode) -> None:
    if clip.format.id == 0:
        raise ValueError("clip has a variable format, make it constant first, as with clip.resize.Bicubic(format=...)")
    if clip.width == 0:
        raise ValueError("clip has a variable size, make it constant first, as with clip.resize.Bicubic(width, height)")
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


def _prepare(clip: vs.VideoNode, target: vs.VideoFormat) -> vs.VideoNode:
    """Make the clip that the network sees."""
    return color.to_network(clip.std.ModifyFrame(clip, _sort_out()), target)


def _pass_over(source: vs.VideoNode, module: FDAT, target: vs.VideoFormat, options: UpscaleOptions) -> vs.VideoNode:
    """Make the clip of what the network makes of each frame."""
    if options.engine == "mlrt":
        return mlrt.upscale(source, target, module, options, _alpha_resizer)
    reach = options.frames // 2 if isinstance(module, TFDAT) else 0
    slots = make_slots(build_slots(module, options), reach)
    scale = module.config.scale
    blank = source.std.BlankClip(source.width * scale, source.height * scale, target.id, keep=True)
    make = _maker(blank, Pipeline(slots, is_script_over()), options.dedup)
    return _wire(source, blank, make, reach)


def _maker(blank: vs.VideoNode, pipeline: SourcePipeline, dedup: float | None) -> _Make:
    """Make what makes a picture, or finds it among the last ones, and tells which."""

    def make(sources: Sequence[Source]) -> vs.VideoFrame:
        frame = vs.core.create_video_frame(blank.format, blank.width, blank.height)
        made = planes(frame)
        pipeline(sources, made[0].dtype).into(made)
        return frame

    close_with_core(pipeline)
    if dedup is None:
        return lambda sources: (make(sources), False)
    repeats = Repeats(dedup)
    return lambda sources: repeats.get(sources, lambda: make(sources))


def _wire(
    source: vs.VideoNode,
    blank: vs.VideoNode,
    make: _Make,
    reach: int,
) -> vs.VideoNode:
    """Make the clip of the pictures of a clip's frames.

    A ModifyFrame calls back for one frame at a time, so each frame gets its own; FrameEval lets them run side by side.
    """
    resize_alpha, choose = _alpha_resizer(blank), _chooser(source.num_frames, reach)

    def maker(n: int, f: Any) -> vs.VideoNode:  # noqa: ARG001 (FrameEval's parameters)
        around: list[vs.VideoFrame] = f if reach else [f]
        alpha = resize_alpha(around[reach])

        def selector(n: int, f: Any, around: list[vs.VideoFrame] = around) -> vs.VideoFrame:
            with _as_vs_error(f"frame {n}: "):
                picture, is_repeat = make(choose(n, around))
                frame = picture.copy()
                color.describe_output(frame, around[reach].props, f[1] if alpha else None)
                if is_repeat:
                    frame.props["VsfdatRepeat"] = 1
                return frame

        return blank.std.ModifyFrame([blank, alpha] if alpha else blank, selector)

    return blank.std.FrameEval(maker, prop_src=_around(source, reach))


def _around(source: vs.VideoNode, reach: int) -> list[vs.VideoNode]:
    """Make for each place around a frame a clip that has what is there, the first and the last one repeated."""
    count = source.num_frames
    before = [(source[0] * distance + source)[:count] for distance in range(reach, 0, -1)]
    return [*before, source, *((source + source[-1] * distance)[distance:] for distance in range(1, reach + 1))]


def _chooser(count: int, reach: int) -> Callable[[int, Sequence[vs.VideoFrame]], list[Source]]:
    """Make what chooses the frames that a network is shown, of those around a frame of a clip of `count`."""
    neighbours = Neighbours()

    def choose(n: int, around: Sequence[vs.VideoFrame]) -> list[Source]:
        levels = color.levels(around[reach])
        numbers = [min(max(n + step, 0), count - 1) for step in range(-reach, reach + 1)]
        places = neighbours.choose(numbers, around, levels)
        return [Source(numbers[place], planes(around[place]), levels) for place in places]

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
