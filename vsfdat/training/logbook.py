"""What a run tells about itself: a TSV file, and a curve drawn from it."""

import logging
import math
from dataclasses import dataclass, fields
from pathlib import Path

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Line:
    """Hold one line of the log.

    Args:
        step: Steps done since the run began, resumed or not.
        worked_seconds: Time worked, pauses left out.
        progress: Share of the run that is done.
        loss: Mean loss since the line before.
        psnr: Mean Y-PSNR of the validation pictures, in dB; NaN where there are none.
        ssim: Mean SSIM of their luma; NaN where there are none.
    """

    step: int
    worked_seconds: float
    progress: float
    loss: float
    psnr: float
    ssim: float

    def __str__(self) -> str:
        numbers = (self.worked_seconds, self.progress, self.loss, self.psnr, self.ssim)
        return "\t".join([str(self.step), *(f"{number:.6g}" for number in numbers)])


_COLUMNS = [f.name for f in fields(Line)]


class Logbook:
    """Append lines to a TSV file; a new run replaces the file, a resumed one drops what it will do again.

    Args:
        file: The TSV file to write, one line each time that the run is validated.
        from_step: Step that the run goes on from.
    """

    def __init__(self, file: Path, from_step: int = 0) -> None:
        self.file = file
        kept = [line for line in read_log(file) if line.step <= from_step] if from_step and file.exists() else []
        file.write_text("\n".join(["\t".join(_COLUMNS), *map(str, kept)]) + "\n", encoding="utf-8")

    def write(self, line: Line) -> None:
        """Append a line."""
        with self.file.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
        _log.info("step %d (%.0f %%): loss %.5f, PSNR %.3f dB", line.step, 100 * line.progress, line.loss, line.psnr)


def read_log(file: Path) -> list[Line]:
    """Read a log back."""
    rows = [row.split("\t") for row in file.read_text(encoding="utf-8").splitlines()[1:]]
    return [Line(int(row[0]), *map(float, row[1:])) for row in rows]


def plot_log(log: Path, picture: Path) -> bool:
    """Draw a log's loss and PSNR over the steps.

    Args:
        log: A TSV file that a `Logbook` wrote.
        picture: The PNG to write.

    Returns:
        Whether it was drawn: without matplotlib it is not.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        _log.info("no curve was drawn: matplotlib is not installed")
        return False
    lines = read_log(log)
    steps = [line.step for line in lines]
    figure = Figure(figsize=(7, 4), layout="constrained")
    left = figure.subplots()
    left.plot(steps, [line.loss for line in lines], color="tab:gray", label="loss")
    left.set(xlabel="step", ylabel="loss")
    if any(math.isfinite(line.psnr) for line in lines):
        left.twinx(ylabel="Y-PSNR of the validation pictures, dB").plot(steps, [line.psnr for line in lines])
    figure.savefig(picture, dpi=120)
    return True
