from collections import Counter, OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vsfdat.errors import CheckpointError
from vsfdat.models import pickles
from vsfdat.models.checkpoint import read_state_dict

# How torch's checkpoints before 1.6 begin.
_OLD = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."


@pytest.mark.parametrize(
    "content",
    [b"", b"h\xff", b"a", b"J\x01", b"c\xff\n\xff\n", b"0", b"h\x07", b"u."],
    ids=repr,
)
def test_what_breaks_the_libraries_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "junk.pth").write_bytes(_OLD + content)
    with pytest.raises(CheckpointError) as caught:
        read_state_dict(tmp_path / "junk.pth")
    assert str(caught.value) == "junk.pth: is cut short or damaged; get the file again"


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_is_cut_anywhere(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "cut.pth"
    torch.save({"a": torch.zeros(2000)}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for kept in range(100, len(whole), 97):
        path.write_bytes(whole[:kept])
        with pytest.raises(CheckpointError) as caught:
            read_state_dict(path)
        assert str(caught.value) == "cut.pth: is cut short or damaged; get the file again"


def test_a_safetensors_file_that_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    save_file({"a": torch.zeros(2000)}, path)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CheckpointError) as caught:
        read_state_dict(path)
    assert str(caught.value) == (
        "cut.safetensors: is cut short, damaged or of a newer kind; get the file again "
        "(Error while deserializing header: incomplete metadata, file not fully covered)"
    )


@pytest.mark.parametrize("checked", [True, False])
def test_weights_that_are_not_what_they_were(tmp_path: Path, checked: bool) -> None:
    """Torch may be told to save without checksums; then nothing tells."""
    path = tmp_path / "flipped.pth"
    torch.serialization.set_crc32_options(checked)
    try:
        torch.save({"a": torch.full((999,), 7.5)}, path)
    finally:
        torch.serialization.set_crc32_options(True)
    path.write_bytes(path.read_bytes().replace(b"\0\0\xf0\x40", b"\0\1\xf0\x40", 1))
    if not checked:
        assert read_state_dict(path)["a"].shape == (999,)
        return
    with pytest.raises(CheckpointError) as caught:
        read_state_dict(path)
    assert str(caught.value) == "flipped.pth: is cut short or damaged; get the file again"


@pytest.mark.slow
@pytest.mark.parametrize("zipped", [True, False])
def test_what_training_keeps_beside_the_network_is_read(
    tmp_path: Path, zipped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tensors, their average and an optimizer's state are far from the bounds: fdat_xl has ten times as many."""
    monkeypatch.setattr(pickles, "_MOST_OPS", pickles._MOST_OPS // 10)
    monkeypatch.setattr(pickles, "_MOST_WORK", pickles._MOST_WORK // 100)
    tensors = {f"a{i}": torch.nn.Parameter(torch.zeros(2)) for i in range(110)}
    steps = {i: {"step": torch.zeros(()), "m": torch.zeros(2), "v": torch.zeros(2)} for i in range(110)}
    kept = {
        "params": tensors, "params_ema": {key: value.half() for key, value in tensors.items()},
        "optimizer": {"state": steps, "param_groups": [{"lr": 1e-4, "betas": (0.9, 0.99), "params": list(steps)}]},
        "milestones": Counter([1, 2]), "seen": {1, 2}, "size": torch.Size([1]), "at": torch.device("cpu"),
        "kind": torch.bfloat16, "order": OrderedDict(a=1), "weights": torch.zeros(3, dtype=torch.uint8),
    }  # fmt: skip
    torch.save(kept, tmp_path / "state.pth", _use_new_zipfile_serialization=zipped)
    found = read_state_dict(tmp_path / "state.pth")
    assert found.keys() == tensors.keys()
    assert found["a0"].dtype == torch.float16


def test_a_folder_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(CheckpointError) as caught:
        read_state_dict(tmp_path / "folder.pth")
    assert str(caught.value) == "folder.pth: not a readable file (Is a directory)"
