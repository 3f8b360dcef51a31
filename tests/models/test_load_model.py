"""Files of every kind, wrapped in every way, and the ones that must be refused."""

import os
import pickle
from pathlib import Path

import pytest
import spandrel
import torch
from safetensors.torch import save_file

from tests.fast_loop import parametrize
from vsfdat.arch import FDAT
from vsfdat.errors import CheckpointError, UnknownModelError
from vsfdat.models import DEFAULT_MODEL, list_models, load_model


@pytest.fixture(scope="module")
def network() -> FDAT:
    torch.manual_seed(0)
    return FDAT(embed_dim=16, num_groups=1, depth_per_group=1, num_heads=2, scale=2).eval()


def _same(path: Path, network: FDAT) -> bool:
    x = torch.rand(1, 3, 9, 6)
    return torch.equal(load_model(path)(x), network(x))


def _prefixed(tensors: dict, prefix: str) -> dict:
    return {prefix + key: value for key, value in tensors.items()}


@pytest.mark.slow
@parametrize("suffix", [".pth", ".pt", ".ckpt", ".PTH"], quick=[".pth"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda tensors: tensors,
        lambda tensors: {"params_ema": tensors, "params": {"other": torch.zeros(1)}},
        lambda tensors: {"params": tensors, "iteration": 5},
        lambda tensors: {"state_dict": tensors, "epoch": 3},
        lambda tensors: {"model": {"params_ema": tensors}},
        lambda tensors: _prefixed(tensors, "module."),
        lambda tensors: {"state_dict": _prefixed(tensors, "model.net.")},
        lambda tensors: {"n_averaged": torch.tensor(5)} | _prefixed(tensors, "module."),
        lambda tensors: {"params_ema": {"n_averaged": torch.tensor(5)} | _prefixed(tensors, "module."), "iter": 3},
        lambda tensors: {"state_dict": _prefixed(tensors, "net.") | {"loss.vgg.weight": torch.zeros(2)}, "epoch": 1},
    ],
    ids=["flat", "params_ema", "params", "state_dict", "model", "module.", "lightning", "swa", "swa, wrapped", "loss"],
)
def test_wrappers(tmp_path: Path, network: FDAT, suffix: str, wrap) -> None:
    path = tmp_path / f"model{suffix}"
    torch.save(wrap(dict(network.state_dict())), path)
    assert _same(path, network)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("zipped", [True, False])
def test_another_protocol(tmp_path: Path, network: FDAT, zipped: bool) -> None:
    path = tmp_path / "model.pth"
    torch.save(network.state_dict(), path, pickle_protocol=3, _use_new_zipfile_serialization=zipped)
    assert _same(path, network)
    torch.save(network.state_dict(), path, pickle_protocol=5, _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        CheckpointError, match=r"^model\.pth: is pickled by protocol 5, which torch does not read safely"
    ):
        load_model(path)


def test_what_torch_makes_of_an_average(tmp_path: Path, network: FDAT) -> None:
    averaged = torch.optim.swa_utils.AveragedModel(network)
    torch.save(averaged.state_dict(), tmp_path / "swa.pth")
    assert _same(tmp_path / "swa.pth", network)


def test_one_of_several_networks_is_not_picked(tmp_path: Path, network: FDAT) -> None:
    tensors = dict(network.state_dict())
    torch.save(_prefixed(tensors, "net.") | _prefixed(tensors, "net_ema."), tmp_path / "two.pth")
    with pytest.raises(CheckpointError) as caught:
        load_model(tmp_path / "two.pth")
    assert str(caught.value) == "two.pth: holds 2 networks (net., net_ema.); save one alone"


def test_safetensors(tmp_path: Path, network: FDAT) -> None:
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    assert _same(tmp_path / "model.safetensors", network)


class _Payload:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".ckpt"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_runs_code_is_refused_and_nothing_runs(
    tmp_path: Path, network: FDAT, suffix: str, zipped: bool
) -> None:
    marker, path = tmp_path / "it-ran", tmp_path / f"evil{suffix}"
    torch.save({"params": network.state_dict(), "x": _Payload(marker)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError) as caught:
        load_model(path)
    assert str(caught.value) == (
        f"evil{suffix}: holds more than weights, or is damaged; it was not run. Ask its author for a .safetensors file"
    )
    assert not marker.exists()
    with path.open("rb") as file:  # the trap is live: an ordinary unpickling springs it
        torch.load(file, weights_only=False)
    assert marker.exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("model.onnx", b"", "model.onnx: a checkpoint is a .safetensors, .pth, .pt or .ckpt file"),
        ("empty.pth", b"", "empty.pth: is empty"),
        ("text.pth", b"Not Found", "text.pth: is a text file"),
        ("text.safetensors", b"Not Found", "text.safetensors: is a text file"),
        ("noise.pt", b"\x00\xff", "noise.pt: is no torch checkpoint, or its beginning is damaged"),
        ("x.safetensors", b"\xff" * 9, "x.safetensors: is no safetensors file, or its beginning is damaged"),
        ("page.pth", b"\n<!DOCTYPE html>", "page.pth: is a web page; download the file itself"),
        ("page.safetensors", b"<HTML>\xff", "page.safetensors: is a web page; download the file itself"),
        (
            "lfs.pth",
            b"version https://git-lfs.github.com/spec/v1\n",
            "lfs.pth: is a placeholder of Git LFS; fetch the file itself with: git lfs pull",
        ),
        ("model.pth", bytes(257) + b"ustar", "model.pth: is a tar archive; unpack it first"),
        ("model.pth", b"\x1f\x8b\x08\x00", "model.pth: is a packed archive; unpack it first"),
        ("list.pth", pickle.dumps([1], protocol=2), "list.pth: is a pickle of something else than a checkpoint"),
        (
            "list.pth",
            pickle.dumps([1], protocol=4),
            "list.pth: is pickled by protocol 4, which torch does not read safely; "
            "ask its author for a .safetensors file",
        ),
        (
            "names.safetensors",
            (5_000_000).to_bytes(8, "little") + b"{",
            "names.safetensors: has 5 MB of names, more than any network",
        ),
    ],
)
def test_what_is_no_checkpoint_is_called_what_it_is(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        load_model(tmp_path / name)
    assert str(caught.value) == message


@pytest.mark.parametrize("content", [[torch.zeros(1)], {}, {"epoch": 3}, torch.zeros(2)])
def test_files_without_named_tensors(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError, match=r"^odd\.pth: holds no tensors$"):
        load_model(tmp_path / "odd.pth")


def test_unknown_names() -> None:
    with pytest.raises(UnknownModelError) as caught:
        load_model("fdat-huge")
    names = ", ".join(info.name for info in list_models())
    assert str(caught.value) == (
        f"model must be one of {names}, another of `vsfdat models --all`, or the path of a checkpoint file, "
        "passed 'fdat-huge'"
    )
    with pytest.raises(UnknownModelError, match=r"^model file not found: nowhere\.safetensors$"):
        load_model("nowhere.safetensors")


def test_names_that_the_system_refuses(tmp_path: Path) -> None:
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(UnknownModelError) as caught:
        load_model(tmp_path / "folder.pth")
    assert str(caught.value) == f"model file is a folder: {tmp_path}/folder.pth"
    os.mkfifo(tmp_path / "pipe.pth")
    with pytest.raises(UnknownModelError) as caught:
        load_model(tmp_path / "pipe.pth")
    assert str(caught.value) == f"model file is a pipe or a device: {tmp_path}/pipe.pth"
    with pytest.raises(UnknownModelError) as caught:
        load_model("a" * 300)
    assert str(caught.value) == f"model file cannot be read: {'a' * 300} (File name too long)"
    with pytest.raises(UnknownModelError, match=r"^model file not found: ~nobody-of-that-name/x\.pth$"):
        load_model("~nobody-of-that-name/x.pth")
    with pytest.raises(UnknownModelError, match=r"or the path of a checkpoint file, passed '3'$"):
        load_model(3)


@pytest.mark.slow
@pytest.mark.parametrize("info", list_models(), ids=lambda info: info.name)
def test_the_catalog_holds_what_it_says(info) -> None:
    network = load_model(info.name)
    assert network.config.scale == info.scale
    picture = torch.rand(1, 3, 16, 16)
    enlarged = torch.nn.functional.interpolate(picture, scale_factor=info.scale, mode="bicubic", antialias=False)
    # A trained model stays near the picture; an untrained one of this size gives noise around zero.
    assert (network(picture) - enlarged).abs().mean() < 0.2


@parametrize("info", list_models(), quick=list_models()[:1], ids=lambda info: info.name)
def test_other_tools_read_the_embedded_models(info) -> None:
    """By spandrel, as most do: it knows blocks in pairs, one spatial and one channel block each."""
    theirs = spandrel.ModelLoader().load_from_file(info.path)
    picture = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(theirs(picture), load_model(info.name)(picture).clamp(0, 1), rtol=0, atol=1e-4)
    assert theirs.scale == info.scale


def test_the_embedded_models_are_small_and_the_default_is_first() -> None:
    assert list_models()[0].name == DEFAULT_MODEL
    assert sum(info.path.stat().st_size for info in list_models()) <= 6e6
