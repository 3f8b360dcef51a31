"""The `vsfdat` command: one thin function a sub-command.

Everything heavy is imported inside the functions, so that help and mistakes answer at once.
"""

import contextlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from vsfdat import console
from vsfdat.errors import VsfdatError
from vsfdat.interrupt import NOTHING_WRITTEN, end_on_interrupt
from vsfdat.options import Moment, Settings, UpscaleOptions

_log = logging.getLogger(__name__)

_DEFAULTS = Settings()


def upscale(
    *paths: str,
    name: str = "{stem}.mkv",
    recursive: bool = False,
    settings: Settings = _DEFAULTS,
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
    settings
        Each field is an option, as `vsfdat.options` describes it.
    progress
        auto is a bar, or lines where nobody looks at a terminal; json is an object a line on stdout, for programs.
    verbose
        Say what is chosen and why, and of an error where it came from.
    """
    _listen(verbose)
    from vsfdat.encode import upscale_paths

    if status := upscale_paths(paths, name, settings, is_recursive=recursive, as_json=progress == "json"):
        sys.exit(status)


def models(*, all: bool = False) -> None:
    """List the models that can be named; the first is the default.

    Parameters
    ----------
    all
        Those too that others have published, and that are fetched by their names.
    """
    from vsfdat.models import list_models

    listed = list_models()
    if all:
        from vsfdat.models.command import describe_all

        for line in describe_all(listed):
            console.show(line)
        return
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
    try:
        _app()(arguments, print_error=False, exit_on_error=False)
        console.finish()
    except (VsfdatError, ValueError, cyclopts.CycloptsError) as error:
        _log.debug("where the error came from:", exc_info=True)
        _fail(str(error))


def _app() -> Any:
    import cyclopts

    from vsfdat.bench.command import bench
    from vsfdat.export.command import export
    from vsfdat.models.command import download
    from vsfdat.quality.commands import compare, evaluate
    from vsfdat.training.commands import pack, train
    from vsfdat.trial.command import try_out

    for record in (Settings, UpscaleOptions):
        cyclopts.Parameter(name="*")(record)  # its fields are options, without its name before them
    cyclopts.Parameter(converter=_read_moment)(Moment)
    app = cyclopts.App(
        name="vsfdat",
        default_parameter=cyclopts.Parameter(negative=()),  # no --no-overwrite, no --empty-tile
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    app.default(upscale)
    for command in (models, info, download, export, bench, train, compare, pack):
        app.command(command)
    app.command(try_out, name="try")
    app.command(evaluate, name="eval")
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


def _read_moment(_: type, tokens: Sequence[Any]) -> Moment:
    """Read a moment as cyclopts has converters do, with the option's name in the error."""
    try:
        return Moment.read(tokens[0].value)
    except ValueError as error:
        raise VsfdatError(f"{tokens[0].keyword} {error}") from error
