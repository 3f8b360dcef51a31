"""The sub-commands `vsfdat train` and `vsfdat pack`."""

import logging
import sys
from pathlib import Path

from vsfdat import console
from vsfdat.interrupt import raise_on_interrupt
from vsfdat.quality.preflight import check_installed, check_output, choose_device


def train(
    *,
    data: Path,
    config: str,
    out: Path,
    start: str | None = None,
    resume: bool = False,
    hours: float | None = None,
    validate: Path | None = None,
    device: str = "auto",
    workers: int = 1,
) -> None:
    """Train a network; it can be stopped at any time and goes on with --resume.

    Parameters
    ----------
    data
        A folder of pictures of one size, named STYLE_anything; a file that `vsfdat pack` made, or a folder of such.
        A temporal network learns from the videos in the folder as well.
    config
        A recipe: a TOML file, or the name of one that comes along, such as fdat-tiny-2x.
    out
        The .safetensors file to write; the log, the curve and the training state go beside it.
    start
        A model to begin with, by name or file; without one the weights are random.
    resume
        Go on from where this output was left, to the same numbers.
    hours
        Hours to work; the learning rate follows. Without them the recipe's number of steps counts.
    validate
        A folder of pictures to score in the log.
    device
        auto, cpu, cuda, cuda:1, mps.
    workers
        CPU cores that share a batch, each with its part.
    """
    check_installed()
    from . import session

    logging.getLogger(__package__).setLevel(logging.INFO)  # a run of hours should be heard of
    run = session.Session(
        data=data, config=config, out=out, start=start, resume=resume, hours=hours, validate=validate,
        device=choose_device(device), workers=workers,
    )  # fmt: skip
    try:
        with raise_on_interrupt():
            score = session.train(run)
    except KeyboardInterrupt:
        console.say(f"stopped; go on with the same command and --resume, {out} is usable as it is")
        sys.exit(console.INTERRUPTED)
    console.show(f"{out}: {score or 'trained'}")


def pack(data: Path, out: Path, *, megabytes: float = 50, split: bool = False) -> None:
    """Put training pictures into one file, to carry to another machine, or into several.

    Parameters
    ----------
    data
        A folder of pictures named STYLE_anything.
    out
        The file to write.
    megabytes
        Its largest size; where not all fit, every style keeps its share.
    split
        Keep all, in as many files of that size as they take: OUT-1.zip, OUT-2.zip and so on.
    """
    from .crops import pack_crops, split_crops

    check_output(out)
    counts = split_crops(data, out, megabytes) if split else {out: pack_crops(data, out, megabytes)}
    for file, count in counts.items():
        console.show(f"{file}: {count} pictures")
