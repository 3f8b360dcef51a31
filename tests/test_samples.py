"""The sample clip and the sample scripts: what a newcomer meets first."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import vapoursynth as vs

import vsfdat
from tests.encode.clips import Recipe, decode, make_model, make_video, packets
from vsfdat.cli import main
from vsfdat.quality.metrics import luma, psnr, ssim

pytestmark = pytest.mark.slow  # vspipe, bash and the command, each in a process of its own that imports torch
FOLDER = Path(__file__).parents[1] / "sample_scripts"
CLIP = FOLDER / "bigbuckbunny_sample.mp4"
BIN = Path(sys.executable).parent
SCRIPTS = {
    "01_anime_dvd": (("01_anime_dvd.vpy",), (64, 48)),
    "02_film_restoration": (("02_film_restoration.vpy", "-a", "restore={restore}", "-a", "model={model}"), (64, 48)),
    "02_film_restoration, no matrix": (
        ("02_film_restoration.vpy", "-a", "restore={restore}", "-a", "model={model}", "-a", "source={unspecified}"),
        (64, 48),
    ),
    "03_own_checkpoint": (("03_own_checkpoint.vpy", "-a", "model={model}"), (64, 48)),
    "04_low_memory": (("04_low_memory.vpy", "-a", "tile=24"), (64, 48)),
    "05_preview, source": (("05_preview.vpy", "-o", "0"), (64, 48)),
    "05_preview, result": (("05_preview.vpy", "-o", "1"), (64, 48)),
    "05_preview, gray": (("05_preview.vpy", "-o", "0", "-a", "source={gray}"), (64, 48)),
}


@pytest.fixture(scope="module")
def pipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, subprocess.CompletedProcess[bytes]]:
    """Run two frames of every script, two scripts at a time: most of it is Python importing torch."""
    folder = tmp_path_factory.mktemp("samples")
    gray = Recipe(encoder="ffv1", pixel_format="gray", matrix=2, options={})
    files = {
        "source": make_video(folder / "source.mkv", Recipe()),
        "unspecified": make_video(folder / "unspecified.mkv", Recipe(matrix=2)),
        "gray": make_video(folder / "gray.mkv", gray),
        "restore": make_model(folder / "1x.safetensors", scale=1),
        "model": make_model(folder / "2x.safetensors"),
    }

    def pipe(script: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        if not any(argument.startswith("source=") for argument in arguments):
            arguments = (*arguments, "-a", "source={source}")
        filled = [argument.format(**files) for argument in arguments]
        command = [BIN / "vspipe", "-c", "y4m", "-e", "1", *filled, FOLDER / script, "-"]
        # vspipe finds its Python by PATH, which names this one only in an activated environment.
        environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        return subprocess.run(command, capture_output=True, timeout=120, check=False, env=environment)

    # Or the first two would each do so, and one could read what the other has half written.
    subprocess.run([BIN / "vapoursynth", "config"], capture_output=True, timeout=60, check=True)
    with ThreadPoolExecutor(2) as pool:
        running = {name: pool.submit(pipe, *arguments) for name, (arguments, _) in SCRIPTS.items()}
        return {name: future.result() for name, future in running.items()}


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_runs_through_vspipe(name: str, pipes) -> None:
    done, (width, height) = pipes[name], SCRIPTS[name][1]
    assert done.returncode == 0, done.stderr.decode()
    header = done.stdout.partition(b"\n")[0].split()
    assert header[0] == b"YUV4MPEG2"
    assert {f"W{width}".encode(), f"H{height}".encode()} <= set(header)
    assert done.stdout.count(b"FRAME\n") == 2
    assert b"Plan(" not in done.stderr


def test_every_script_is_run_and_named_in_the_readme() -> None:
    names = {path.name for path in FOLDER.glob("0*")}
    run = {arguments[0] for arguments, _ in SCRIPTS.values()} | {"06_pipe_to_ffmpeg.sh"}
    assert names == run
    assert all(name in (FOLDER / "README.md").read_text() for name in names)


def test_shell_script_feeds_ffmpeg(tmp_path: Path) -> None:
    source = make_video(tmp_path / "source.mkv", Recipe(pts=(0, 512)))
    ffmpeg = tmp_path / "ffmpeg"
    ffmpeg.write_text(f'#!/bin/sh\ncat > {tmp_path}/piped.y4m\necho "$@" > {tmp_path}/arguments\n')
    ffmpeg.chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{BIN}:{os.environ['PATH']}"}
    command = ["sh", FOLDER / "06_pipe_to_ffmpeg.sh", source, tmp_path / "output.mkv"]
    subprocess.run(command, env=environment, check=True, timeout=120, capture_output=True)
    piped = (tmp_path / "piped.y4m").read_bytes()
    assert piped.startswith(b"YUV4MPEG2 C420p10 W64 H48 ")
    assert piped.count(b"FRAME\n") == 2
    arguments = (tmp_path / "arguments").read_text()
    assert arguments.startswith(f"-i - -i {source} -map 0:v -map 1:a?")
    assert arguments.endswith(f"{tmp_path}/output.mkv\n")


def test_the_command_gives_the_sample_clip_at_twice_the_size(tmp_path: Path) -> None:
    """With a network that takes no time: `.ci/run` runs the README's own command, with the real one."""
    output, model = tmp_path / "upscaled.mp4", make_model(tmp_path / "2x.safetensors")
    main([str(CLIP), str(output), "--model", str(model)])
    source, upscaled = describe(CLIP), describe(output)
    assert source == (320, 180, 48, Fraction("1.92"), 91)
    assert upscaled == (640, 360, *source[2:])
    assert [data for _, data in packets(output, "audio")] == [data for _, data in packets(CLIP, "audio")]
    assert CLIP.stat().st_size < 1_000_000


def describe(path: Path) -> tuple[int, int, int, Fraction, int]:
    """Give width, height, frames, seconds, and packets of sound."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        seconds = video.duration * video.time_base
    return video.width, video.height, len(decode(path)), seconds, len(packets(path, "audio"))


def test_the_default_model_beats_bicubic_on_the_clips_own_frames(capsys: pytest.CaptureFixture[str]) -> None:
    original = vs.core.bs.VideoSource(str(CLIP), cachemode=0)[::8].resize.Bicubic(format=vs.RGBS)
    small = original.resize.Bicubic(160, 90)
    ours = score(vsfdat.upscale(small, device="cpu"), original)
    bicubic = score(small.resize.Bicubic(320, 180), original)
    with capsys.disabled():
        print(
            f"\nsample clip, 160x90 to 320x180, luma of {original.num_frames} frames: "
            f"vsfdat {ours[0]:.2f} dB, SSIM {ours[1]:.4f}; bicubic {bicubic[0]:.2f} dB, SSIM {bicubic[1]:.4f}"
        )
    assert ours[0] > bicubic[0] + 1
    assert ours[1] > bicubic[1] + 0.01


def score(clip: vs.VideoNode, original: vs.VideoNode) -> tuple[float, float]:
    """Average PSNR in dB and SSIM over the frames."""
    pairs = list(zip(pictures(clip), pictures(original), strict=True))
    return (
        float(np.mean([psnr(luma(a), luma(b), border=2) for a, b in pairs])),
        float(np.mean([ssim(luma(a), luma(b), border=2) for a, b in pairs])),
    )


def pictures(clip: vs.VideoNode) -> list[np.ndarray]:
    """Take every frame out as [H, W, 3] uint8."""
    frames = clip.resize.Point(format=vs.RGB24).frames(close=True)
    return [np.stack([np.asarray(frame[plane]) for plane in range(3)], axis=-1) for frame in frames]


def test_colours_stay_what_they_are(tmp_path: Path) -> None:
    """Averages over a whole frame, where a wrong matrix or range is off by several levels of 255."""
    output = tmp_path / "upscaled.mkv"
    main([str(CLIP), str(output), "--end", "0.04", "--codec", "ffv1", "--device", "cpu"])
    before, after = (average_rgb(path) for path in (CLIP, output))
    assert np.abs(before - after).max() < 1


def average_rgb(path: Path) -> np.ndarray:
    """Average a file's first frame, by its own word of matrix and range."""
    frame = vs.core.bs.VideoSource(str(path), cachemode=0)[0].resize.Bicubic(format=vs.RGBS).get_frame(0)
    return np.array([255 * np.asarray(frame[plane]).mean() for plane in range(3)])
