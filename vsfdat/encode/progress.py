"""A progress bar on stderr: frames done, frames a second, time left."""

import contextlib
from collections.abc import Callable, Iterator

from .extras import require


@contextlib.contextmanager
def show_progress(frames: int, title: str) -> Iterator[Callable[[], None]]:
    """Draw a bar while the block runs; call what it gives after each frame. Draws nothing where stderr is no terminal.

    Args:
        frames: How many there will be.
        title: Left of the bar.
    """
    require("rich")
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TextColumn, TimeRemainingColumn

    class Rate(TextColumn):
        def render(self, task: Task):  # type: ignore[no-untyped-def]
            self.text_format = f"{task.speed:.2f} fps" if task.speed else "- fps"
            return super().render(task)

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(""), TextColumn("ETA"),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task(title, total=frames)
        yield lambda: progress.advance(task)
