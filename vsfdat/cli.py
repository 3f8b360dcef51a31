"""The `vsfdat` command: one thin function a sub-command.

Everything heavy is imported inside the functions, so that help and mistakes answer at once.
"""

import contextlib
import logging
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from vsfdat import console
from vsfdat.interrupt import NOTHING_WRITTEN, end_on_interrupt
from vsfdat.models import DEFAULT_MODEL
from vsfdat.options import CodecName, EncoderKind, Kind, PrecisionChoice, Settings, UpscaleOptions

_log = logging.getLogger(__name__)


def upscale(
    *paths: str,
    name: str = "{stem}.mkv",
    recursive: bool = False,
    model: str = DEFAULT_MODEL,
    scale_to_height: int | None = None,
    codec: CodecName = Settings.codec,
    encoder: EncoderKind = Settings.encoder,
    crf: int | None = None,
    preset: str | None = None,
    start: str | None = None,
    end: str | None = None,
    tile: tuple[int, int] | None = None,
    overlap: int = UpscaleOptions.overlap,
    device: str = "auto",
    precision: PrecisionChoice = UpscaleOptions.precision,
    num_streams: int | None = None,
    engine: Kind = UpscaleOptions.engine,
    no_audio: bool = False,
    no_subtitles: bool = False,
    overwrite: bool = False,
    restart: bool = False,
    keep_partial: bool = False,
    cluster: str | None = None,
    progress: Literal["auto", "json"] = "auto",
    verbose: bool = False,
) -> None:
    """Upscale videos; sound, subtitles, colours and times are carried over.

    Parameters
    ----------
    paths
        A video and the file to make of it, whose ending (.mp4, .mkv, .mov, .webm) chooses the container; or videos,
        folders and patterns, and a folder for the outputs last.
    name
        Of the outputs in a folder; {stem} is the input's name without its ending.
    recursive
        Search folders with all folders below them.
    model
        A name that `vsfdat models` lists, or the path of a checkpoint.
    scale_to_height
        Height of the output in pixels, its width follows; by default what the model gives.
    codec
        h264 plays everywhere, hevc and av1 are smaller, ffv1 is lossless.
    encoder
        What encodes: nvenc, qsv and amf are NVIDIA's, Intel's and AMD's hardware, fast and larger at the same
        quality; auto is software.
    crf
        The encoder's quality, lower is better and larger; by default 17 for h264, 18 for hevc, 24 for av1.
    preset
        The encoder's speed, by its own names: medium for h264 and hevc, 6 for av1; p5 for nvenc, medium for qsv,
        quality for amf.
    start
        Begin here: seconds, or [hours:]minutes:seconds.
    end
        Stop before this moment of the input.
    tile
        Width and height of the pieces that a frame is cut into, for short memory; the picture is then approximate.
    overlap
        Pixels that neighbouring tiles share.
    device
        auto, cpu, cuda, cuda:1, mps; several with commas between.
    precision
        Of the arithmetic; auto is fp16 on CUDA, else fp32.
    num_streams
        Frames at a time on each device.
    engine
        exact gives the whole frame's picture fast and in little memory; reference runs the plain network.
    no_audio
        Leave sound out.
    no_subtitles
        Leave subtitles out.
    overwrite
        Replace an existing output.
    restart
        Begin anew, though an earlier run has done a part.
    keep_partial
        After Ctrl-C leave a playable file of what is done.
    cluster
        Have the machines of a Ray cluster do the work: auto for the one that this machine is in, or its HOST:PORT.
    progress
        auto is a bar, or lines where nobody looks at a terminal; json is an object a line on stdout, for programs.
    verbose
        Say what is chosen and why, and of an error where it came from.
    """
    _listen(verbose)
    settings = Settings(
        codec=codec, encoder=encoder, crf=crf, preset=preset, scale_to_height=scale_to_height,
        start=_seconds(start, "start"), end=_seconds(end, "end"), audio=not no_audio, subtitles=not no_subtitles,
        overwrite=overwrite, restart=restart, keep_partial=keep_partial, cluster=cluster,
        upscale=UpscaleOptions(
            model=model, device=device.split(",") if "," in device else device, precision=precision, tile=tile,
            overlap=overlap, num_streams=num_streams, engine=engine,
        ),
    )  # fmt: skip
    from vsfdat.encode import upscale_paths

    if status := upscale_paths(paths, name, settings, is_recursive=recursive, as_json=progress == "json"):
        sys.exit(status)


def models() -> None:
    """List the models that can be named; the first is the default."""
    from vsfdat.models import list_models

    listed = list_models()
    width = max(len(info.name) for info in listed)
    for info in listed:
        console.show(f"{info.name:{width}}  {info.scale}x  {info.license}  {info.description}")


def info(file: Path, /, *, verbose: bool = False) -> None:
    """Say what a video file or a model file is.

    Parameters
    ----------
    file
        A video, or a .safetensors, .pth, .pt or .ckpt checkpoint, or a model's name.
    verbose
        Say of an error where it came from.
    """
    _listen(verbose)
    facts = _describe(file)
    width = max(len(label) for label, _ in facts)
    for label, value in facts:
        console.show(f"{label:{width}}  {value}")


_COMMANDS: tuple[Callable[..., None], ...] = (models, info)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command: status 0, 1 after an error of one line, 130 after Ctrl-C.

    Args:
        arguments: None for those of a process that is the command, and that ends with it.
    """
    is_process = arguments is None
    if is_process:
        console.prepare()
    with end_on_interrupt() if is_process else contextlib.nullcontext():
        try:
            _run(arguments)
        except KeyboardInterrupt:
            console.say(NOTHING_WRITTEN)
            sys.exit(console.INTERRUPTED)


def _run(arguments: Sequence[str] | None) -> None:
    logging.basicConfig(format="vsfdat: %(message)s", level=logging.WARNING, handlers=[console.Lines()])
    try:
        import cyclopts
    except ImportError:
        _fail(console.missing("cyclopts"))
    from vsfdat.errors import VsfdatError

    try:
        _app()(arguments, print_error=False, exit_on_error=False)
        console.finish()
    except (VsfdatError, ValueError, cyclopts.CycloptsError) as error:
        _log.debug("where the error came from:", exc_info=True)
        _fail(str(error))


def _app() -> Any:
    import cyclopts

    from vsfdat.bench.command import bench
    from vsfdat.quality.commands import compare, evaluate
    from vsfdat.training.commands import pack, train

    app = cyclopts.App(
        name="vsfdat",
        default_parameter=cyclopts.Parameter(negative=()),  # no --no-overwrite, no --empty-tile
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    app.default(upscale)
    for command in _COMMANDS:
        app.command(command)
    app.command(bench)
    app.command(train)
    app.command(evaluate, name="eval")
    app.command(compare)
    app.command(pack)
    return app


def _listen(verbose: bool) -> None:
    logging.getLogger("vsfdat").setLevel(logging.DEBUG if verbose else logging.NOTSET)


def _describe(file: Path) -> list[tuple[str, str]]:
    from vsfdat.models.catalog import is_model

    if is_model(file):
        from vsfdat.models.describe import describe_model

        return describe_model(file)
    from vsfdat.encode.probe import describe_video

    return describe_video(file)


def _fail(message: str) -> None:
    console.say(f"vsfdat: {message}")
    sys.exit(console.FAILED)


def _seconds(time: str | None, option: str) -> float | None:
    """Read 90, 1:30 or 0:01:30.5.

    Raises:
        ValueError: It is none of these.
    """
    if time is None:
        return None
    try:
        parts = [float(part) for part in time.split(":")]
    except ValueError:
        parts = []
    if not 1 <= len(parts) <= 3 or "-" in time or not all(map(math.isfinite, parts)):
        raise ValueError(f"--{option} must be seconds or [hours:]minutes:seconds, passed {time!r}")
    return sum(part * factor for part, factor in zip(reversed(parts), (1.0, 60.0, 3600.0), strict=False))
