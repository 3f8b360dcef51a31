import json

import pytest

from vsfdat.encode.progress import JsonLines, Whole


def test_every_line_is_an_object(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    whole = Whole([1, 1], clock=lambda: now[0])
    lines = JsonLines(whole, clock=lambda: now[0])
    with lines.film(10, "a.mkv") as advance:
        for _ in range(10):
            now[0] += 0.25
            advance(1)
    lines.say("finished", output="a.mkv", reason=None)
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["event"] for each in found] == ["begun", *["progress"] * 5, "finished"]
    assert found[0] == {"event": "begun", "film": 1, "films": 2, "output": "a.mkv", "frames": 10, "done": 0}
    assert found[2] == {
        "event": "progress", "film": 1, "films": 2, "output": "a.mkv", "done": 4, "frames": 10, "fps": 4.0,
        "seconds_left": 1.5, "share_of_all": 0.2, "seconds_left_of_all": 4.0,
    }  # fmt: skip
    assert found[-1] == {"event": "finished", "film": 1, "films": 2, "output": "a.mkv"}
