import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.encode.clips import Recipe, decode, make_model, make_video
from vsfdat.cli import main

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
    assert "--scale-to-height" in done.stdout


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
        (["info", "{folder}"], "vsfdat: input not found: {folder}\n"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(tmp_path: Path, capsys, arguments, message) -> None:
    video = make_video(tmp_path / "video.mp4")
    names = {"folder": tmp_path, "video": video}
    found = fails(capsys, *(argument.format(**names) for argument in arguments))
    assert found.startswith(message.format(**names))
    assert found.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["video.mp4"]


def test_unknown_options_are_mistakes_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["a.mp4", "b.mp4", "--crff", "3"])
    assert ended.value.code != 0
    assert "Unknown option: --crff" in capsys.readouterr().err


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


@pytest.mark.slow
def test_control_c_leaves_a_playable_file_and_no_other(tmp_path: Path) -> None:
    video = make_video(tmp_path / "video.mp4", Recipe(pts=range(0, 4000 * 512, 512), audio=None))
    model, output = make_model(tmp_path / "2x.safetensors"), tmp_path / "o.mp4"
    line = [sys.executable, "-m", "vsfdat", str(video), str(output), "--model", str(model), "--device", "cpu"]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        wait_until(lambda: any(tmp_path.glob("o.partial-*.mp4")))
        time.sleep(1)
        os.kill(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=60)
    frames = len(decode(output))
    assert process.returncode == 130
    assert f"stopped after {frames} of 4000 frames; the file is playable up to there\n" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2x.safetensors", "o.mp4", "video.mp4"]


def wait_until(happened) -> None:
    deadline = time.monotonic() + 90
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)
