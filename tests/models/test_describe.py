from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vsfdat.arch import FDAT
from vsfdat.models import list_models
from vsfdat.models.describe import describe_model, find_license


def tiny() -> FDAT:
    return FDAT(embed_dim=16, num_groups=1, depth_per_group=1, num_heads=2, scale=2)


def test_what_training_wrote_is_told(tmp_path: Path) -> None:
    written = {
        "license": "CC0", "credits": "Ada", "steps": "300", "worked_s": "630", "machine": "an abacus",
        "started_from": "random weights",
    }  # fmt: skip
    save_file(tiny().state_dict(), tmp_path / "mine.safetensors", written)
    facts = dict(describe_model(tmp_path / "mine.safetensors"))
    assert facts["licence"] == "CC0"
    assert facts["trained"] == "300 steps in 10 minutes from random weights, an abacus"
    assert facts["credits"] == "Ada"


@pytest.mark.parametrize("worked", ["a while", "nan", "1e999", ""])
def test_a_time_that_is_none_is_not_told(tmp_path: Path, worked: str) -> None:
    written = {"steps": "300", "worked_s": worked, "machine": "an abacus", "started_from": "random weights"}
    save_file(tiny().state_dict(), tmp_path / "mine.safetensors", written)
    assert "trained" not in dict(describe_model(tmp_path / "mine.safetensors"))


def test_a_terminal_gets_no_orders_from_a_file(tmp_path: Path) -> None:
    written = {"license": "\x1b[2JMIT\x1b]0;owned\x07\nno", "credits": "\x9b31m" + "Ada, " * 1000}
    path = tmp_path / "\x1b[31mred.safetensors"
    save_file(tiny().state_dict(), path, written)
    facts = dict(describe_model(path))
    assert facts["licence"] == r"\x1b[2JMIT\x1b]0;owned\x07\nno"
    assert facts["credits"] == r"\x9b31m" + "Ada, " * 198 + "Ada..."
    assert r"\x1b[31mred.safetensors" in facts["file"]
    assert all(value.isprintable() for value in facts.values())


def test_a_file_that_tells_nothing(tmp_path: Path) -> None:
    torch.save(tiny().state_dict(), tmp_path / "mine.pth")
    facts = dict(describe_model(tmp_path / "mine.pth"))
    assert facts["licence"].startswith("not stated in the file")
    assert not {"trained", "credits"} & facts.keys()


def test_a_licence_is_known_by_the_name_that_its_authors_give(tmp_path: Path) -> None:
    assert find_license(tmp_path / "2x_IllustrationJaNai_V3.pth").startswith("CC BY-NC 4.0")


@pytest.mark.parametrize("info", list_models(), ids=lambda info: info.name)
def test_embedded_models_thank_whose_pictures_they_learned_from(info) -> None:
    facts = dict(describe_model(info.name))
    assert facts["licence"] == info.license == "MIT"
    assert "David Revoy" in facts["credits"]
    assert facts["scale"] == f"{info.scale}x"
