import importlib.util

import pytest

from vsfdat.cli import main
from vsfdat.errors import TrainingError
from vsfdat.training.commands import pack, train


def test_pack_says_how_many_pictures_it_kept(data, tmp_path, capsys):
    pack(data, tmp_path / "crops.zip", megabytes=1)
    assert capsys.readouterr().out == f"{tmp_path / 'crops.zip'}: 6 pictures\n"


def test_pack_splits_what_one_file_cannot_hold(data, tmp_path, capsys):
    size = sum(file.stat().st_size for file in data.iterdir()) / 1e6
    pack(data, tmp_path / "crops.zip", megabytes=0.7 * size, split=True)
    assert [line.split(": ")[0] for line in capsys.readouterr().out.splitlines()] == [
        str(tmp_path / "crops-1.zip"),
        str(tmp_path / "crops-2.zip"),
    ]


def test_missing_packages_are_named(data, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "av" else find(name))
    with pytest.raises(TrainingError) as caught:
        train(data=data, config="fdat-tiny-2x", out=tmp_path / "model.safetensors")
    assert str(caught.value) == 'av is not installed, it comes with: pip install "vsfdat[train]"'


@pytest.mark.parametrize("command", ["train", "pack"])
def test_the_command_line_knows_it(command, capsys):
    pytest.importorskip("cyclopts")
    main([command, "--help"])
    assert f"Usage: vsfdat {command} " in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_from_the_command_line(data, tmp_path, capsys):
    config = tmp_path / "tiny.toml"
    config.write_text(
        "[network]\noverrides = {scale = 2, embed_dim = 16, num_groups = 1, depth_per_group = 1, num_heads = 2}\n"
        "[sampling]\npatch = 16\nbatch = 2\n[run]\nsteps = 2\n"
    )
    out = tmp_path / "new" / "model.safetensors"
    train(data=data, config=str(config), out=out, device="cpu")
    assert out.is_file()
    assert capsys.readouterr().out == f"{out}: trained\n"


def test_an_output_without_a_folder_is_refused_before_the_work(data, tmp_path):
    for out in (tmp_path / "missing" / "crops.zip", tmp_path):
        with pytest.raises(TrainingError) as caught:
            pack(data=data, out=out)
        assert str(caught.value) == f"out must be a file in a folder that exists, passed {out}"


@pytest.mark.usefixtures("two_cards")
@pytest.mark.parametrize("device", ["cuda:99", "hpu", "meta"])
def test_a_device_that_is_not_here(data, tmp_path, device):
    with pytest.raises(ValueError) as caught:
        train(data=data, config="fdat-tiny-2x", out=tmp_path / "model.safetensors", device=device)
    assert str(caught.value) == f"device '{device}' is not here, use one of auto, cuda:0, cuda:1, cpu"
