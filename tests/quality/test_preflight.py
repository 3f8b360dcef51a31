import pytest
import torch

from vsfdat.quality.preflight import check_output, choose_device


def test_the_device_is_the_one_that_upscaling_would_find(monkeypatch):
    monkeypatch.setattr("vsfdat.engine.device._here", lambda: ["meta:0", "cpu"])
    monkeypatch.setattr(torch, "zeros", lambda *_, device: torch.ones(1))  # any device takes work
    assert choose_device("auto") == torch.device("meta:0")
    assert choose_device("cpu") == torch.device("cpu")


def test_a_device_that_takes_no_work_is_named(monkeypatch):
    """The meta device is there and computes nothing, as a GPU that another process keeps to itself."""
    monkeypatch.setattr("vsfdat.engine.device._here", lambda: ["meta:0", "cpu"])
    with pytest.raises(ValueError) as caught:
        choose_device("meta")
    assert str(caught.value) == "device 'meta:0' is not free, use another or cpu"


def test_an_output_may_end_in_capitals(tmp_path):
    check_output(tmp_path / "SHEET.PNG", ".png")
