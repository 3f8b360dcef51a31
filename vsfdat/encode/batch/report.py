"""What is said of each film when it is done, and of all of them at the end."""

from collections.abc import Sequence

from vsfdat import console
from vsfdat.errors import printable

from ..job import Outcome
from ..progress import JsonLines
from .run import Result


class Report:
    """Says what became of films, on stderr and, for programs, as JSON.

    Args:
        json_lines: Where programs want it.
    """

    def __init__(self, json_lines: JsonLines | None) -> None:
        self._json = json_lines
        self._results: list[Result] = []

    def tell(self, result: Result) -> None:
        """Say what became of a film."""
        self._results.append(result)
        output, outcome = printable(str(result.item.output)), result.outcome
        if result.error is not None:
            console.say(f"vsfdat: {result.error}")
            self._say("failed", output, reason=result.error)
        elif outcome is None:
            console.say(f"{output}: finished before, by the same settings")
            self._say("skipped", output)
        else:
            for line in _word(outcome):
                console.say(line)
            self._say(
                "finished" if outcome.is_whole else "stopped", output, done=outcome.frames, frames=outcome.total,
                seconds=round(outcome.seconds, 3), is_playable=outcome.is_playable, remark=outcome.remark,
            )  # fmt: skip

    def end(self, films: int, *, is_stopped: bool = False) -> int:
        """Say what became of all films, where there was more than one; give the status to end with.

        Args:
            films: How many there were to be.
            is_stopped: The user interrupted before anything came of the last one.
        """
        results = self._results
        failed = [result for result in results if result.error is not None]
        made = [result for result in results if result.outcome is not None and result.outcome.is_whole]
        skipped = [result for result in results if result.error is None and result.outcome is None]
        ends = [result.outcome for result in results if result.outcome is not None]
        is_stopped |= any(not end.is_whole for end in ends) or (
            len(results) < films and any(e.is_stopped for e in ends)
        )
        if films > 1:
            console.say(_sum_up(films, made, skipped, failed))
            for result in failed:
                console.say(f"  {result.error}")
            self._say("end", None, made=len(made), skipped=len(skipped), failed=len(failed))
        return console.INTERRUPTED if is_stopped else console.FAILED if failed else 0

    def _say(self, event: str, output: str | None, **facts: object) -> None:
        if self._json:
            self._json.say(event, output=output, **facts)


def _word(outcome: Outcome) -> list[str]:
    if outcome.is_whole:
        size, speed = f"{outcome.width}x{outcome.height}", outcome.made / outcome.seconds
        now = f", {outcome.made} of them now" * (outcome.made < outcome.frames)
        said = f"{outcome.output}: {outcome.frames} frames, {size}{now}, in {outcome.seconds:.1f} s ({speed:.2f} fps)"
    else:
        playable = f"{outcome.output} is playable up to there, and " * outcome.is_playable
        said = (
            f"stopped after {outcome.frames} of {outcome.total} frames; {playable}the same command goes on from there"
        )
    return [said, outcome.remark] if outcome.remark else [said]


def _sum_up(films: int, made: Sequence[Result], skipped: Sequence[Result], failed: Sequence[Result]) -> str:
    parts = [f"{len(made)} made"]
    if skipped:
        parts.append(f"{len(skipped)} finished before")
    left = films - len(made) - len(skipped) - len(failed)
    if left:
        parts.append(f"{left} left to do")
    if failed:
        parts.append(f"{len(failed)} failed:")
    return f"{films} films: {', '.join(parts)}"
