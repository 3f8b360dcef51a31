"""`vsfdat bench`: the figures are there, true to what they say, and peers that are missing are named."""

import contextlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from tests.stand_ins import tiny_fdat
from vsfdat import console
from vsfdat.arch import PRESETS, TFDAT, FDATConfig, fdat_tiny
from vsfdat.bench import contestants, start
from vsfdat.bench.command import bench
from vsfdat.bench.work import multiply_adds
from vsfdat.places import cache_folder

TOY = {"size": "24x16", "frames": 2, "device": "cpu"}


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(PRESETS, "toy", FDATConfig(embed_dim=16, num_groups=1, depth_per_group=1, num_heads=2, scale=2))
    return "toy"


def test_a_table_and_a_file(toy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench(model=toy, engines="ours,reference", json_file=tmp_path / "figures.json", **TOY)
    printed = capsys.readouterr().out
    figures = json.loads((tmp_path / "figures.json").read_text())
    ours, reference = figures["results"]
    assert printed.startswith("toy 24x16 fp32 on cpu")
    assert f"{1000 * ours['median']:.0f}" in printed
    assert len(ours["seconds"]) == 2
    assert 0 < ours["difference"] < 1e-5
    assert reference["difference"] < 1e-5
    assert ours["gflops"] == pytest.approx(figures["gflop_per_frame"] / ours["median"])
    assert figures["versions"]["torch"] == torch.__version__.split("+")[0]


@pytest.mark.slow
def test_memory_alone(toy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The process that measures does not know the toy.
    settings = TOY | {"frames": 0, "size": "64x64"}
    bench(model="fdat_tiny", engines="ours", memory=True, json_file=tmp_path / "figures.json", **settings)
    (ours,) = json.loads((tmp_path / "figures.json").read_text())["results"]
    assert ours["seconds"] == []
    assert ours["peak_bytes"] > 64 * 64 * 96 * 4  # more than one map
    assert f"{ours['peak_bytes'] / 2**20:.0f}" in capsys.readouterr().out


def test_a_peer_that_is_missing_is_named_with_its_command(
    toy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def absent(task: contestants.Task) -> contestants.Run:
        raise contestants.UnavailableError(console.missing("onnxruntime", install="onnxruntime"))

    monkeypatch.setitem(contestants.CONTESTANTS, "onnxruntime", absent)
    bench(model=toy, engines="ours,onnxruntime", **TOY)
    assert (
        "onnxruntime  not run: onnxruntime is not installed, it comes with: pip install onnxruntime"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": "480"}, "--size must be WIDTHxHEIGHT in pixels, passed '480'"),
        ({"frames": 0}, "--frames must be at least 1, or 0 with --memory, passed 0"),
        (
            {"engines": "ours,tensorrt"},
            "engines must be some of ours, without_time, reference, compile, openvino, onnxruntime, passed tensorrt",
        ),
    ],
)
def test_wrong_arguments(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        bench(**TOY | arguments)
    assert str(caught.value) == message


@pytest.mark.slow
def test_the_multiply_adds_are_the_modules_less_what_the_fold_saves() -> None:
    """Torch counts the plain module; the channel attention's fold and the windows' padding explain the difference."""
    network = fdat_tiny(scale=2).eval()
    pixels = 16 * 16
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.rand(1, 3, 16, 16))
    channel_blocks, channels, head_dim = 4, 96, 32
    saved = channel_blocks * (4 * channels**2 + 2 * channels * head_dim - 2 * channels**2)
    gates = counter.get_total_flops() / 2 / pixels - saved - multiply_adds(network)
    # What is left are the channel gates, once a frame instead of once a pixel.
    assert abs(gates) < 0.001 * multiply_adds(network)


@pytest.mark.slow
def test_a_start_is_timed_stage_by_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    save_file(tiny_fdat().state_dict(), tmp_path / "tiny.safetensors")
    # With what is kept already: to compile takes a quarter of a minute.
    monkeypatch.setattr(start, "TemporaryDirectory", lambda **_: contextlib.nullcontext(cache_folder("cuda").parent))
    bench(start=True, model=str(tmp_path / "tiny.safetensors"), size="16x16", device="cpu")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["seconds", "first", "again"]
    assert [line[:28].rstrip() for line in lines[1:]] == [
        "Python", "import torch", "import VapourSynth, vsfdat", "load the model", "build the engine", "first frame",
        "second frame", "all, less torch and a frame",
    ]  # fmt: skip
    assert all(float(seconds) >= -0.1 for line in lines[1:] for seconds in line[28:].split())


def test_a_model_that_looks_at_neighbours_is_shown_beside_itself_without(tmp_path: Path, capsys) -> None:
    network = TFDAT(embed_dim=16, num_groups=1, depth_per_group=1, num_heads=2, scale=2, flow_base_ch=4)
    save_file(network.state_dict(), tmp_path / "tfdat.safetensors")
    figures = tmp_path / "figures.json"
    bench(
        model=str(tmp_path / "tfdat.safetensors"), engines="ours,without_time,reference", json_file=figures, **TOY
    )  # fmt: skip
    ours, without, reference = json.loads(figures.read_text())["results"]
    assert ours["difference"] < 1e-5
    assert without["median"] > 0
    assert without["difference"] is None
    assert reference["why_not"] == "runs no models that look at neighbours"


def test_what_looks_at_one_frame_has_no_time_to_leave_out(toy: str, capsys: pytest.CaptureFixture[str]) -> None:
    bench(model=toy, engines="ours,without_time", **TOY)
    assert "without_time not run: is for models that look at neighbours" in capsys.readouterr().out
