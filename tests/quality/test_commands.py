import shutil

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.fast_loop import parametrize
from vsfdat.arch import FDAT
from vsfdat.cli import main
from vsfdat.errors import TrainingError
from vsfdat.quality.commands import compare, evaluate


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    network = FDAT(embed_dim=16, num_groups=1, depth_per_group=1, num_heads=2, scale=2)
    save_file(network.state_dict(), tmp_path / "tiny.safetensors")
    return str(tmp_path / "tiny.safetensors")


def test_eval_prints_a_table(model, data, capsys):
    evaluate(model, data=data, device="cpu")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| Y-PSNR / SSIM, 2x | bicubic | Lanczos | spline36 | tiny.safetensors |"
    assert lines[2].startswith("| data | ")


def test_models_of_one_name_are_told_apart(model, data, tmp_path, capsys):
    other = tmp_path / "other" / "tiny.safetensors"
    other.parent.mkdir()
    shutil.copy(model, other)
    evaluate(model, str(other), data=data, device="cpu")
    assert capsys.readouterr().out.splitlines()[0].endswith(f"| spline36 | {model} | {other} |")


@parametrize("codec", [None, "mpeg2"], quick=["mpeg2"])
def test_compare_writes_a_sheet(model, data, tmp_path, codec):
    if codec:
        pytest.importorskip("av")
    compare(model, data=data, out=tmp_path / "sheet.png", rows=2, codec=codec, strength=4)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 4 * (256 + 8) + 8


def test_models_of_different_scales_are_refused(model, data, tmp_path):
    other = FDAT(embed_dim=16, num_groups=1, depth_per_group=1, num_heads=2, scale=3)
    save_file(other.state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"models must have one scale to be compared: tiny\.safetensors is 2x, other"):
        evaluate(model, str(tmp_path / "other.safetensors"), data=data)


@pytest.mark.parametrize("frame", [0, 13])
def test_a_frame_that_no_clip_has_is_refused(data, frame):
    with pytest.raises(ValueError, match=f"frame must be 1 to 12, passed {frame}"):
        evaluate(compressed=data, frame=frame)


@pytest.mark.parametrize("command", ["eval", "compare"])
def test_the_command_line_knows_it(command, capsys):
    pytest.importorskip("cyclopts")
    main([command, "--help"])
    assert f"Usage: vsfdat {command} " in capsys.readouterr().out


@pytest.fixture
def no_models(monkeypatch):
    """No command may get as far as a model."""

    def load(*_):
        pytest.fail("a model was loaded before the output was checked")

    monkeypatch.setattr("vsfdat.models.load_model", load)


def test_an_output_without_a_folder_is_refused_before_the_work(data, tmp_path, no_models):
    for out in (tmp_path / "missing" / "sheet.png", tmp_path):
        with pytest.raises(TrainingError) as caught:
            compare(data=data, out=out)
        assert str(caught.value) == f"out must be a file in a folder that exists, passed {out}"


def test_a_sheet_of_another_format_is_refused_before_the_work(data, tmp_path, no_models):
    with pytest.raises(TrainingError) as caught:
        compare(data=data, out=tmp_path / "sheet.pgn")
    assert str(caught.value) == f"out must end in .png, passed {tmp_path / 'sheet.pgn'}"


@pytest.mark.usefixtures("two_cards")
def test_a_device_that_means_nothing(model, data):
    with pytest.raises(ValueError) as caught:
        evaluate(model, data=data, device="gpu")
    assert str(caught.value) == "device must be one of auto, cuda:0, cuda:1, cpu, passed 'gpu'"
