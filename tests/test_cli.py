import contextlib
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import pytest

from tests.encode.clips import Recipe, decode, make_model, make_video
from vsfdat import console
from vsfdat.cli import main
from vsfdat.encode import Outcome
from vsfdat.errors import printable

HEAVY = ("torch", "vapoursynth", "numpy", "av")


def command(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "vsfdat", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, check=False, **options)


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run the command where it should end in one line and exit code 1."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    assert (ended.value.code, captured.out) == (1, "")
    return captured.err


def test_help_needs_nothing_heavy() -> None:
    script = f"""
import sys
from vsfdat.cli import main
try:
    main(["--help"])
finally:
    print("loaded", [name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert done.stdout.endswith("loaded []\n")
    assert "--square-pixels" in done.stdout


@pytest.mark.slow
def test_module_and_command_are_the_same() -> None:
    script = Path(sys.executable).parent / "vsfdat"
    named = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=60, check=True)
    assert named.stdout == command("--version").stdout != ""


def test_models_are_listed_default_first(capsys: pytest.CaptureFixture[str]) -> None:
    main(["models"])
    assert capsys.readouterr().out.startswith("fdat-tiny-2x")


def test_info_of_a_video(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = make_video(tmp_path / "video.mp4", Recipe())
    main(["info", str(video)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:5] == ["size      32x24", "frames    20", "rate      25.000 fps", "duration  0.800 s"]
    assert [line.split(", und")[0] for line in lines[5:]] == [
        "stream 0  video, h264, yuv420p",
        "stream 1  audio, aac, 48000 Hz, mono",
    ]


def test_info_of_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["info", "fdat-tiny-2x"])
    facts = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert facts["architecture"] == "FDAT, fdat_tiny"
    assert (facts["scale"], facts["licence"], facts["embed_dim"]) == ("2x", "MIT", "96")
    main(["info", str(make_model(tmp_path / "2x_IllustrationJaNai_FDAT.safetensors"))])
    facts = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert facts["architecture"] == "FDAT, no known preset"
    assert facts["licence"].startswith("CC BY-NC 4.0")


def test_another_network_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from safetensors.torch import save_file
    from spandrel.architectures.Compact import Compact

    path = tmp_path / "other.safetensors"
    save_file(Compact(num_feat=8, num_conv=1, upscale=2).state_dict(), path)
    message = "vsfdat: other.safetensors: is a RealESRGAN Compact network; vsfdat runs FDAT\n"
    assert fails(capsys, "info", path) == message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{folder}/none.mp4", "{folder}/o.mp4"], "vsfdat: input not found: {folder}/none.mp4\n"),
        (["{video}", "{folder}/o.mp4", "--model", "best"], "vsfdat: model must be one of "),
        (["{video}", "{folder}/o.mp4", "--start", "soon"],
         "vsfdat: --start must be seconds or [hours:]minutes:seconds, passed 'soon'\n"),
        (["{video}", "{folder}/o.mp4", "--tile", "0", "8"],
         "vsfdat: tile must be (width, height) in pixels, both at least 1, passed (0, 8)\n"),
        (["{video}", "{video}", "--overwrite"], "vsfdat: output is the input: {video}\n"),
        *(
            (["{video}", "{folder}/o.mp4", f"{option}={time}"],
             f"vsfdat: {option} must be seconds or [hours:]minutes:seconds, passed '{time}'\n")
            for option, time in (("--end", "inf"), ("--start", "nan"), ("--start", "-0:10"), ("--end", "1e400"))
        ),
        (["info", "{folder}"], "vsfdat: input is a folder, name a video file in it: {folder}\n"),
        (["{folder}", "{folder}/o.mp4"], "vsfdat: input is a folder, name a video file in it: {folder}\n"),
        (["/dev/zero", "{folder}/o.mp4"],
         "vsfdat: input is a pipe or a device: /dev/zero (a film is read from a file, more than once)\n"),
        (["info", f"{'x' * 300}.mkv"], f"vsfdat: {'x' * 300}.mkv: cannot be read (File name too long)\n"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(tmp_path: Path, capsys, arguments, message) -> None:
    video = make_video(tmp_path / "video.mp4")
    names = {"folder": tmp_path, "video": video}
    found = fails(capsys, *(argument.format(**names) for argument in arguments))
    assert found.startswith(message.format(**names))
    assert found.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["video.mp4"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.mp4", "b.mp4", "--crff", "3"], "vsfdat: Unknown option: --crff. Did you mean --crf?\n"),
        (["a.mp4", "b.mp4", "--crf", "low"], 'vsfdat: Invalid value for --crf: unable to convert "low" into int.\n'),
        (
            ["a.mp4"],
            "vsfdat: name a video and the file to make of it, as in: vsfdat IN.mkv OUT.mkv; or videos and a folder\n",
        ),
    ],
)
def test_mistakes_in_writing_are_told_in_one_line_too(capsys, monkeypatch, arguments, message) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert fails(capsys, *arguments) == message


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Re:Zero - 01 [1080p] :smile: %03d.mkv", os.fsdecode(b"caf\xe9.mkv")], ids=ascii)
def test_any_name_will_do_for_input_and_output(tmp_path: Path, capsys, monkeypatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    model = make_model(tmp_path / "2x.safetensors")
    make_video(tmp_path / "video.mkv", Recipe(pts=(0, 512, 1024), audio=None)).rename(name)
    Path("out").mkdir()
    main([name, f"out/{name}", "--model", str(model), "--device", "cpu"])
    shown = printable(name)
    assert capsys.readouterr().err.startswith(f"out/{shown}: 3 frames, 64x48, in ")
    assert [path.name for path in Path("out").iterdir()] == [name]
    main(["info", f"out/{name}"])
    assert capsys.readouterr().out.startswith(f"file      out/{shown} (matroska,webm, ")
    assert (
        fails(capsys, name, f"out/{name}") == f"vsfdat: output exists: out/{shown} (pass --overwrite to replace it)\n"
    )


@pytest.mark.slow
def test_an_error_in_a_frame_is_one_sentence_that_verbose_explains(tmp_path: Path, capsys, monkeypatch) -> None:
    from safetensors.torch import load_file, save_file

    monkeypatch.setattr(logging.getLogger("vsfdat"), "level", logging.NOTSET)
    video, model = make_video(tmp_path / "video.mkv"), make_model(tmp_path / "2x.safetensors")
    save_file({key: tensor * 1e30 if tensor.ndim == 4 else tensor for key, tensor in load_file(model).items()}, model)
    sentence = (
        "vsfdat: frame 0: the network gave NaN or Inf in fp32, so its weights are damaged; use another model file\n"
    )
    line = (video, tmp_path / "o.mp4", "--model", model, "--device", "cpu")
    assert fails(capsys, *line) == sentence
    with pytest.raises(SystemExit), caught_by_lines():
        main([*map(str, line), "--verbose"])
    explained = capsys.readouterr().err
    assert explained.endswith(sentence)
    assert 'vsfdat/plugin/clip.py", line ' in explained
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2x.safetensors", "video.mkv"]


@contextlib.contextmanager
def caught_by_lines():
    """Log as the command's process does, which pytest's own handlers are in the way of."""
    handler = console.Lines()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


@pytest.mark.parametrize("package", ["cyclopts", "av", "rich"])
def test_a_missing_package_names_what_brings_it(package: str, tmp_path: Path, capsys, monkeypatch) -> None:
    video = make_video(tmp_path / "video.mp4")
    model = make_model(tmp_path / "2x.safetensors")
    monkeypatch.setitem(sys.modules, package, None)
    message = fails(capsys, video, tmp_path / "o.mp4", "--model", model)
    assert message == f'vsfdat: {package} is not installed, it comes with: pip install "vsfdat[cli]"\n'


def test_a_cut_may_be_given_as_a_clock_would(tmp_path: Path) -> None:
    video, model = make_video(tmp_path / "video.mp4"), make_model(tmp_path / "2x.safetensors")
    main([str(video), str(tmp_path / "o.mp4"), "--model", str(model), "--start", "0:00.2", "--end", "0:0:0.4"])
    assert len(decode(tmp_path / "o.mp4")) == 5


def test_what_held_the_work_up_is_told_once(tmp_path: Path, capsys, monkeypatch) -> None:
    outcome = Outcome(tmp_path / "o.mp4", 5, 5, 64, 48, 5, 2.0, remark="the network waited for the encoder")
    monkeypatch.setattr("vsfdat.encode.batch.command.upscale_file", lambda *_, **__: outcome)
    main([str(tmp_path / "a.mp4"), str(tmp_path / "o.mp4")])
    assert capsys.readouterr().err == (
        f"{tmp_path}/o.mp4: 5 frames, 64x48, in 2.0 s (2.50 fps)\nthe network waited for the encoder\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize(("option", "kinds"), [("--no-audio", ["video"]), ("--no-subtitles", ["video", "audio"])])
def test_streams_can_be_left_out(tmp_path: Path, option: str, kinds: list[str]) -> None:
    video, model = make_video(tmp_path / "video.mp4"), make_model(tmp_path / "2x.safetensors")
    main([str(video), str(tmp_path / "o.mp4"), "--model", str(model), "--end", "0.2", option])
    with av.open(str(tmp_path / "o.mp4")) as container:
        assert [stream.type for stream in container.streams] == kinds


@pytest.mark.slow
def test_control_c_leaves_a_playable_file_and_a_second_one_too(tmp_path: Path) -> None:
    with working(tmp_path, "--keep-partial", has_begun=writes) as process:
        time.sleep(1)
        os.kill(process.pid, signal.SIGINT)
        time.sleep(0.3)
        os.kill(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 130
    frames = len(decode(tmp_path / "o.mp4"))
    assert (
        f"stopped after {frames} of 4000 frames; {tmp_path}/o.mp4 is playable up to there, and "
        "the same command goes on from there\n"
    ) in said
    assert {path.name for path in tmp_path.iterdir()} - {".o.mp4.vsfdat"} == {"2x.safetensors", "o.mp4", "video.mp4"}


@pytest.mark.slow
def test_signals_before_the_first_frame_leave_nothing(tmp_path: Path) -> None:
    with working(tmp_path, has_begun=listens) as process:
        for number in (signal.SIGTERM, signal.SIGHUP):
            os.kill(process.pid, number)
            time.sleep(0.3)
        _, said = process.communicate(timeout=300)
    assert (process.returncode, said) == (130, "vsfdat: stopped, nothing was written\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2x.safetensors", "video.mp4"]


@pytest.mark.slow
def test_nobody_needs_to_listen(tmp_path: Path) -> None:
    """A film that got the number of a closed stderr would hold what FFmpeg says there."""
    video, model = make_video(tmp_path / "video.mkv"), make_model(tmp_path / "2x.safetensors")
    line = [sys.executable, "-m", "vsfdat", video, tmp_path / "o.mkv", "--model", model, "--device", "cpu"]
    done = subprocess.run(["bash", "-c", '"$@" <&- >&- 2>&-', "bash", *map(str, line)], timeout=300, check=False)
    assert (done.returncode, len(decode(tmp_path / "o.mkv"))) == (0, 20)


@contextlib.contextmanager
def working(folder: Path, *more: str, has_begun: Callable[[int, Path], bool]) -> Iterator[subprocess.Popen[str]]:
    """Run the command on a film that is too long for a test, in a folder of its own."""
    video = make_video(folder / "video.mp4", Recipe(pts=range(0, 4000 * 512, 512), audio=None))
    model = make_model(folder / "2x.safetensors")
    line = [sys.executable, "-m", "vsfdat", str(video), str(folder / "o.mp4"), "--model", str(model), "--device", "cpu"]
    with subprocess.Popen([*line, *more], stderr=subprocess.PIPE, text=True, cwd=folder) as process:
        wait_until(lambda: has_begun(process.pid, folder))
        yield process


def writes(pid: int, folder: Path) -> bool:
    return any(folder.glob(".o.mp4.vsfdat/0*"))


def listens(pid: int, folder: Path) -> bool:
    """Tell whether a process has a handler for SIGTERM, on Linux."""
    caught = re.search(r"^SigCgt:\s*(\w+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1]
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def wait_until(happened) -> None:
    deadline = time.monotonic() + 300
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)
