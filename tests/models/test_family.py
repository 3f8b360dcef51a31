"""FDAT's relatives are told by their tensors alone: LHAN by its heads, TFDAT by its flow."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tests.arch import published, test_lhan, test_tfdat
from vsfdat.arch import FDAT, TFDAT
from vsfdat.errors import CheckpointError
from vsfdat.models import load_model
from vsfdat.models.describe import describe_model
from vsfdat.models.detect import detect_config, load_into_network

LHANS = published.names("lhan")
TFDATS = published.names("tfdat")


@pytest.mark.parametrize("name", LHANS)
def test_lhan_is_found_and_gives_the_published_picture(name: str, caplog: pytest.LogCaptureFixture) -> None:
    fixture = published.read("lhan", name)
    network = load_into_network(fixture.weights, name)
    assert type(network) is FDAT
    assert network.config == test_lhan.load(fixture).config
    fixture.check(network(fixture.given[None])[0])
    warned = [record.getMessage() for record in caplog.records]
    # Its nearest head repeats pixels between layers that are as large at any scale.
    assert warned == ([f"{name}: no tensor tells its scale, 2 is assumed"] if "nearest" in name else [])


@pytest.mark.slow
@pytest.mark.parametrize("name", TFDATS)
@pytest.mark.parametrize("described", [True, False], ids=["meta", "bare"])
def test_tfdat_is_found_and_gives_the_published_picture(name: str, described: bool) -> None:
    fixture = published.read("tfdat", name)
    wanted = test_tfdat.load(fixture).config
    if not described:
        del fixture.weights["upsampler.MetaUpsample"]
    network = load_into_network(fixture.weights, name)
    assert isinstance(network, TFDAT)
    # Without its description, a head that has no channels of its own tells none.
    assert network.config == replace(wanted, mid_dim=wanted.mid_dim if described else network.config.mid_dim)
    fixture.check(network(fixture.given[None])[0])


def _saved(tensors: dict[str, torch.Tensor], folder: Path) -> Path:
    path = folder / "model.safetensors"
    save_file(tensors, path)
    return path


def test_lhan_is_named(tmp_path: Path) -> None:
    facts = dict(describe_model(_saved(published.read("lhan", "transpose_2x_16x24").weights, tmp_path)))
    assert facts["architecture"] == "LHAN, no known preset"
    assert facts["upsampler_type"] == "lhan_transpose"
    assert "neighbours" not in facts


def test_tfdat_is_named_and_that_it_looks_at_neighbours(tmp_path: Path) -> None:
    path = _saved(published.read("tfdat", "scale2_t5_5x7").weights, tmp_path)
    facts = dict(describe_model(path))
    assert facts["architecture"] == "TFDAT, no known preset"
    assert facts["neighbours"] == "looks at the frames before and after: 5 in all, or another odd number"
    assert (facts["scale"], facts["flow_base_ch"]) == ("2x", "32")
    assert isinstance(load_model(path), TFDAT)


@pytest.mark.parametrize(
    ("family", "name", "removed", "sentence"),
    [
        ("lhan", "transpose_2x_16x24", "upsampler.up.bias", "x: does not fit LHAN: missing upsampler.up.bias"),
        ("tfdat", "scale2_t5_5x7", "flow_net.enc.4.bias", "x: does not fit TFDAT: missing flow_net.enc.4.bias"),
        (
            "lhan", "transpose_2x_16x24", "upsampler.refine.weight",
            "x: its tensors describe no FDAT network: upsampler.up.weight has no place",
        ),
        (
            "tfdat", "scale4_t5_11x26", "shallow_stem.0.weight",
            "x: does not fit TFDAT: missing shallow_stem.0.weight",
        ),
    ],
)  # fmt: skip
def test_what_lacks_a_tensor_is_told_by_its_name(family: str, name: str, removed: str, sentence: str) -> None:
    tensors = published.read(family, name).weights
    del tensors[removed]
    with pytest.raises(CheckpointError) as caught:
        load_into_network(tensors, "x")
    assert str(caught.value) == sentence


def test_a_flow_of_another_shape_is_told() -> None:
    tensors = published.read("tfdat", "scale2_t5_5x7").weights
    with pytest.raises(CheckpointError) as caught:
        detect_config(tensors | {"flow_net.enc.0.weight": torch.ones(3)}, "x")
    assert str(caught.value) == (
        "x: its tensors describe no FDAT network: flow_net.enc.0.weight has the shape [3] instead of 4 dimensions"
    )
