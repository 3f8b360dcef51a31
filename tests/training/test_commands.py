import importlib.util
import shutil

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from vsfdat.arch import FDAT
from vsfdat.cli import main
from vsfdat.errors import TrainingError
from vsfdat.training.commands import Commands

commands = Commands()


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    network = FDAT(embed_dim=16, num_groups=1, depth_per_group=1, num_heads=2, scale=2)
    save_file(network.state_dict(), tmp_path / "tiny.safetensors")
    return str(tmp_path / "tiny.safetensors")


def test_eval_prints_a_table(model, data, capsys):
    commands.evaluate(model, data=data, device="cpu")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "| Y-PSNR / SSIM, 2x | bicubic | Lanczos | spline36 | tiny.safetensors |"
    assert lines[2].startswith("| data | ")


def test_models_of_one_name_are_told_apart(model, data, tmp_path, capsys):
    other = tmp_path / "other" / "tiny.safetensors"
    other.parent.mkdir()
    shutil.copy(model, other)
    commands.evaluate(model, str(other), data=data, device="cpu")
    assert capsys.readouterr().out.splitlines()[0].endswith(f"| spline36 | {model} | {other} |")


@pytest.mark.parametrize("codec", [None, "mpeg2"])
def test_compare_writes_a_sheet(model, data, tmp_path, codec):
    if codec:
        pytest.importorskip("av")
    commands.compare(model, data=data, out=tmp_path / "sheet.png", rows=2, codec=codec, strength=4)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 4 * (256 + 8) + 8


def test_models_of_different_scales_are_refused(model, data, tmp_path):
    other = FDAT(embed_dim=16, num_groups=1, depth_per_group=1, num_heads=2, scale=3)
    save_file(other.state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"models must have one scale to be compared: tiny\.safetensors is 2x, other"):
        commands.evaluate(model, str(tmp_path / "other.safetensors"), data=data)


def test_pack_says_how_many_pictures_it_kept(data, tmp_path, capsys):
    commands.pack(data, tmp_path / "crops.zip", megabytes=1)
    assert capsys.readouterr().out == f"{tmp_path / 'crops.zip'}: 6 pictures\n"


def test_pack_splits_what_one_file_cannot_hold(data, tmp_path, capsys):
    size = sum(file.stat().st_size for file in data.iterdir()) / 1e6
    commands.pack(data, tmp_path / "crops.zip", megabytes=0.7 * size, split=True)
    assert [line.split(": ")[0] for line in capsys.readouterr().out.splitlines()] == [
        str(tmp_path / "crops-1.zip"),
        str(tmp_path / "crops-2.zip"),
    ]


def test_missing_packages_are_named(data, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "av" else find(name))
    with pytest.raises(TrainingError) as caught:
        commands.train(data=data, config="fdat-tiny-2x", out=tmp_path / "model.safetensors")
    assert str(caught.value) == 'av is not installed, it comes with: pip install "vsfdat[train]"'


@pytest.mark.parametrize("command", ["train", "eval", "compare", "pack"])
def test_the_command_line_knows_it(command, capsys):
    pytest.importorskip("cyclopts")
    main([command, "--help"])
    assert f"Usage: vsfdat {command} " in capsys.readouterr().out


def test_a_run_from_the_command_line(data, tmp_path, capsys):
    config = tmp_path / "tiny.toml"
    config.write_text(
        "[network]\noverrides = {scale = 2, embed_dim = 16, num_groups = 1, depth_per_group = 1, num_heads = 2}\n"
        "[sampling]\npatch = 16\nbatch = 2\n[run]\nsteps = 2\n"
    )
    out = tmp_path / "new" / "model.safetensors"
    commands.train(data=data, config=str(config), out=out, device="cpu")
    assert out.is_file()
    assert capsys.readouterr().out == f"{out}: trained\n"


@pytest.fixture
def no_models(monkeypatch):
    """No command may get as far as a model."""

    def load(*_):
        pytest.fail("a model was loaded before the output was checked")

    monkeypatch.setattr("vsfdat.models.load_model", load)


@pytest.mark.parametrize("command", ["compare", "pack"])
def test_an_output_without_a_folder_is_refused_before_the_work(data, tmp_path, no_models, command):
    for out in (tmp_path / "missing" / "sheet.png", tmp_path):
        with pytest.raises(TrainingError) as caught:
            getattr(commands, command)(data=data, out=out)
        assert str(caught.value) == f"out must be a file in a folder that exists, passed {out}"


def test_a_sheet_of_another_format_is_refused_before_the_work(data, tmp_path, no_models):
    with pytest.raises(TrainingError) as caught:
        commands.compare(data=data, out=tmp_path / "sheet.pgn")
    assert str(caught.value) == f"out must end in .png, passed {tmp_path / 'sheet.pgn'}"


def test_a_device_that_means_nothing(model, data, tmp_path):
    with pytest.raises(ValueError) as caught:
        commands.evaluate(model, data=data, device="gpu")
    assert str(caught.value) == "device must be auto, cpu, cuda, cuda:1 or mps, passed 'gpu'"


@pytest.mark.parametrize("device", ["cuda:99", "hpu", "meta"])
def test_a_device_that_is_not_here(data, tmp_path, device):
    with pytest.raises(ValueError) as caught:
        commands.train(data=data, config="fdat-tiny-2x", out=tmp_path / "model.safetensors", device=device)
    assert str(caught.value) == f"device '{device}' is not here or not free, use auto or cpu"
