"""Films of a folder through the command: one broken, some done before, some interrupted."""

import functools
import json
import os
import signal
from pathlib import Path

import pytest

from tests.encode.clips import Recipe, decode, make_model, make_video
from tests.encode.interrupts import stop_after
from vsfdat.cli import main
from vsfdat.encode import job
from vsfdat.encode.segments import plan_segments

SHORT = Recipe(pts=range(0, 5 * 512, 512), audio=None)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with two films and one that is none, and a model."""
    monkeypatch.chdir(tmp_path)
    make_model(tmp_path / "tiny.safetensors")
    (tmp_path / "in").mkdir()
    for name in ("e1.mkv", "e10.mkv"):
        make_video(tmp_path / "in" / name, SHORT)
    (tmp_path / "in" / "e2.mkv").write_bytes(b"broken")
    return tmp_path


@pytest.fixture
def sound(folder: Path) -> Path:
    """Leave the broken film out."""
    (folder / "in" / "e2.mkv").unlink()
    return folder


def run(*more: str) -> int:
    """Run the command on the folder, and give its status."""
    try:
        main(["in", "out/", "--model", "tiny.safetensors", "--device", "cpu", *more])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def outputs(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "out").iterdir() if path.name != ".vsfdat.json")


@pytest.mark.slow
def test_what_fails_is_said_and_the_others_are_made(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--name", "{stem}_2x.mp4") == 1
    assert outputs(folder) == ["e10_2x.mp4", "e1_2x.mp4"]
    broken = "in/e2.mkv: not a readable video file (Invalid data found when processing input)"
    first, second, third, *rest = capsys.readouterr().err.splitlines()
    assert first.startswith("out/e1_2x.mp4: 5 frames, 64x48, in ")
    assert second == f"vsfdat: {broken}"
    assert third.startswith("out/e10_2x.mp4: 5 frames, 64x48, in ")
    assert rest == ["3 films: 2 made, 1 failed:", f"  {broken}"]


@pytest.mark.slow
def test_what_is_finished_by_the_same_settings_is_passed_over(sound: Path, capsys) -> None:
    assert run() == 0
    capsys.readouterr()
    assert run() == 0
    assert capsys.readouterr().err == (
        "out/e1.mkv: finished before, by the same settings\nout/e10.mkv: finished before, by the same settings\n"
        "2 films: 0 made, 2 finished before\n"
    )
    changed = (sound / "out/e1.mkv").stat().st_mtime_ns
    assert run("--restart", "--overwrite") == 0
    assert (sound / "out/e1.mkv").stat().st_mtime_ns > changed


@pytest.mark.slow
def test_what_is_there_by_other_settings_is_named_and_left_alone(sound: Path, capsys) -> None:
    assert run() == 0
    content = (sound / "out/e1.mkv").read_bytes()
    capsys.readouterr()
    assert run("--crf", "30") == 1
    assert "output exists: out/e1.mkv (pass --overwrite to replace it)" in capsys.readouterr().err
    assert (sound / "out/e1.mkv").read_bytes() == content
    assert run("--crf", "30", "--overwrite") == 0
    assert (sound / "out/e1.mkv").read_bytes() != content


@pytest.mark.slow
def test_a_new_film_in_the_folder_is_the_only_one_that_is_made(sound: Path, capsys) -> None:
    run()
    make_video(sound / "in/e3.mkv", SHORT)
    capsys.readouterr()
    assert run() == 0
    assert capsys.readouterr().err.splitlines()[-1] == "3 films: 1 made, 2 finished before"


@pytest.mark.slow
def test_an_interrupt_ends_the_batch_and_the_same_command_goes_on(sound: Path, capsys, monkeypatch) -> None:
    make_video(sound / "in/e10.mkv", Recipe(pts=range(0, 40 * 512, 512), audio=None))
    make_video(sound / "in/e11.mkv", SHORT)
    monkeypatch.setattr(job, "plan_segments", functools.partial(plan_segments, usual=10))
    with monkeypatch.context() as patch:
        stop_after(patch, 1, segment=1)
        assert run() == 130
    assert outputs(sound) == [".e10.mkv.vsfdat", "e1.mkv"]
    _, stopped, summary = capsys.readouterr().err.splitlines()
    assert stopped == "stopped after 10 of 40 frames; the same command goes on from there"
    assert summary == "3 films: 1 made, 2 left to do"
    assert run() == 0
    assert outputs(sound) == ["e1.mkv", "e10.mkv", "e11.mkv"]
    assert len(decode(sound / "out/e10.mkv")) == 40
    said = capsys.readouterr().err.splitlines()
    assert said[1].startswith("out/e10.mkv: 40 frames, 64x48, 30 of them now, in ")
    assert said[-1] == "3 films: 2 made, 1 finished before"


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["while the film is joined", "before its first frame"])
def test_an_interrupt_at_odd_moments_ends_the_batch_too(sound: Path, capsys, monkeypatch, moment: str) -> None:
    make_video(sound / "in/e11.mkv", SHORT)
    name = {"while the film is joined": "_join", "before its first frame": "make"}[moment]
    plain = getattr(job._Job, name)

    def interrupted(self, *arguments):
        if "e10" in str(self.path):
            os.kill(os.getpid(), signal.SIGINT)
        return plain(self, *arguments)

    monkeypatch.setattr(job._Job, name, interrupted)
    assert run() == 130
    made = 2 if name == "_join" else 1
    assert capsys.readouterr().err.splitlines()[-1] == f"3 films: {made} made, {3 - made} left to do"


@pytest.mark.slow
def test_what_the_same_batch_made_is_no_input(sound: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["in", "in", "--name", "{stem}_2x.mkv", "--model", "tiny.safetensors", "--device", "cpu"]
    main(line)
    main(line)
    assert capsys.readouterr().err.splitlines()[-1] == "2 films: 0 made, 2 finished before"


@pytest.mark.slow
def test_sound_that_was_left_out_is_another_film(sound: Path) -> None:
    assert run("--no-audio") == 0
    assert run() == 1  # it is there, and was made otherwise


@pytest.mark.slow
def test_a_film_whose_container_says_nothing_fails_alone(sound: Path, monkeypatch) -> None:
    from vsfdat.encode import probe

    monkeypatch.setattr(probe, "video_stream", lambda *_: None)
    assert run() == 0


@pytest.mark.slow
def test_programs_get_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--progress", "json") == 1
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["event"], each["film"]) for each in events if each["event"] != "progress"] == [
        ("begun", 1), ("finished", 1), ("failed", 2), ("begun", 3), ("finished", 3), ("end", 3)
    ]  # fmt: skip
    assert events[-1] == {"event": "end", "film": 3, "films": 3, "made": 2, "skipped": 0, "failed": 1}
    last = [each for each in events if each["event"] == "progress"][-1]
    assert (last["done"], last["frames"], last["share_of_all"]) == (5, 5, 1)


def test_one_film_is_told_as_json_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["in/e1.mkv", "o.mkv", "--model", "tiny.safetensors", "--device", "cpu", "--progress", "json"])
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert list(dict.fromkeys(each["event"] for each in events)) == ["begun", "progress", "finished"]


@pytest.mark.slow
def test_folders_below_are_made_again_in_the_output(sound: Path) -> None:
    (sound / "in/s1").mkdir()
    (sound / "in/e1.mkv").rename(sound / "in/s1/e1.mkv")
    assert run("--recursive") == 0
    assert (sound / "out/s1/e1.mkv").is_file()
    assert (sound / "out/e10.mkv").is_file()
