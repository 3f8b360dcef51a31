"""Exported graphs make the network's picture, at any size, in fp32 and in fp16; skipped where ONNX is not installed."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.random_weights import fill
from tests.stand_ins import tiny_fdat
from vsfdat.arch import FDAT, TFDAT, TFDATConfig
from vsfdat.errors import ExportError
from vsfdat.export.check import check
from vsfdat.export.store import keep
from vsfdat.export.write import write_onnx
from vsfdat.places import cache_folder

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
HALF = pytest.importorskip("onnxconverter_common.float16")

HEADS = {
    "direct": {}, "1x": {"scale": 1, "upsampler_type": "conv"}, "unshuffle": {"unshuffle_mod": True},
    "transpose": {"upsampler_type": "transpose+conv", "scale": 4}, "lda": {"upsampler_type": "lda"},
}  # fmt: skip


def network(**overrides: object) -> FDAT:
    module = tiny_fdat(**overrides).requires_grad_(False)
    fill(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("half", [False, True], ids=["fp32", "fp16"])
@pytest.mark.parametrize("head", HEADS)
def test_a_graph_of_any_size_makes_the_networks_picture(tmp_path: Path, head: str, half: bool) -> None:
    module = network(**HEADS[head])
    write_onnx(module, tmp_path / "a.onnx", half=half)
    said = check(module, tmp_path / "a.onnx", size=None, half=half, frames=5)
    assert said.startswith("checked: ONNX Runtime's picture is off by ")
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]


@pytest.mark.slow
def test_a_graph_of_one_size_takes_no_other(tmp_path: Path) -> None:
    module = network()
    write_onnx(module, tmp_path / "a.onnx", size=(24, 16))
    shapes = [[axis.dim_value for axis in value.type.tensor_type.shape.dim] for value in graph(tmp_path).input]
    assert shapes == [[1, 3, 16, 24]]
    check(module, tmp_path / "a.onnx", size=(24, 16), half=False, frames=5)
    with pytest.raises(ExportError, match=r"^ONNX Runtime cannot run it \("):
        check(module, tmp_path / "a.onnx", size=(32, 16), half=False, frames=5)


@pytest.mark.slow
def test_a_temporal_network_takes_its_frames_one_after_another(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = TFDATConfig(embed_dim=8, num_heads=2, num_groups=1, depth_per_group=1, scale=2, mid_dim=8, flow_base_ch=4)
    module = TFDAT(config).eval()
    write_onnx(module, tmp_path / "a.onnx", size=(40, 32), frames=3)
    assert graph(tmp_path).input[0].type.tensor_type.shape.dim[1].dim_value == 9
    assert check(module, tmp_path / "a.onnx", size=(40, 32), half=False, frames=3).startswith("checked")
    with pytest.raises(ExportError, match=r"^a TFDAT is exported in fp32 alone: "):
        write_onnx(module, tmp_path / "a.onnx", half=True)


@pytest.mark.slow
def test_a_graph_of_another_network_is_told(tmp_path: Path) -> None:
    module = network()
    write_onnx(module, tmp_path / "a.onnx", size=(24, 16))
    with torch.no_grad():
        module.conv_after.weight *= 3
    with pytest.raises(ExportError, match=r"^ONNX Runtime makes another picture of it, off by \d\.\de"):
        check(module, tmp_path / "a.onnx", size=(24, 16), half=False, frames=5)


@pytest.mark.slow
def test_fp16_where_fp16_ends(tmp_path: Path) -> None:
    """In numpy's fp16, where q's sum of squares over the frame is beyond 65504: all of it in fp16 is nowhere near."""
    module = network(group_block_pattern=["channel"])
    with torch.no_grad():
        module.groups[0].blocks[0].attn.qkv.weight *= 100
    write_onnx(module, tmp_path / "a.onnx", size=(24, 16))
    frame = np.random.default_rng(0).random((1, 3, 16, 24), dtype=np.float32)
    with torch.inference_mode():
        expected = module(torch.from_numpy(frame)).numpy()
    naive = HALF.convert_float_to_float16(onnx.load(tmp_path / "a.onnx"), keep_io_types=True)
    write_onnx(module, tmp_path / "a.onnx", size=(24, 16), half=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of numbers that overflow
        errors = [error(evaluate(model, frame), expected) for model in (naive, onnx.load(tmp_path / "a.onnx"))]
    assert errors[1] < 0.005 < 0.05 < errors[0]


def evaluate(model: object, frame: np.ndarray) -> np.ndarray:
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(model).run(None, {"input": frame})[0]


def error(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.nan_to_num(np.abs(got - expected), nan=np.inf).max() / np.abs(expected).max())


@pytest.mark.slow
def test_the_same_network_is_kept_and_another_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    module = network()
    first = keep(module, size=(16, 16), half=False)
    made = first.stat().st_mtime_ns
    assert keep(module, size=(16, 16), half=False) == first
    assert first.stat().st_mtime_ns == made
    others = {keep(module, size=(24, 16), half=False), keep(module, size=(16, 16), half=True)}
    with torch.no_grad():
        module.conv_after.weight[0, 0, 0, 0] += 1
    others.add(keep(module, size=(16, 16), half=False))
    assert set(cache_folder("onnx").iterdir()) == {first, *others}
    assert len(others | {first}) == 4


def graph(folder: Path) -> object:
    return onnx.load(folder / "a.onnx").graph
