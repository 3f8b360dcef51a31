"""Frames in and out, against plain torch."""

import pytest
import torch

from vsfdat.ops.triton import frame_in, frame_out

KINDS = [(torch.uint8, 255), (torch.uint16, 1023), (torch.uint16, 65535), (torch.float16, 1), (torch.float32, 1)]


def samples(dtype, peak, height=3, width=1030):
    """Planes in rows longer than the picture, as VapourSynth has them; floats also beyond [0, 1]."""
    values = torch.rand(3, height, width + 10)
    values = values * 3 - 1 if dtype.is_floating_point else (values * peak).round().int()
    return values.to(dtype)[:, :, :width]


@pytest.mark.parametrize(("dtype", "peak"), KINDS)
def test_planes_become_normalised_channels_last(dtype, peak):
    planes = samples(dtype, peak)
    out = torch.full((3, 1030, 3), float("nan"))
    frame_in(planes, out, peak)
    truth = (planes.double() / peak).clamp(0, 1).permute(1, 2, 0)
    assert (out.double() - truth).abs().max() < 1e-7


@pytest.mark.parametrize(("dtype", "peak"), KINDS)
def test_planes_survive_the_way_in_and_out(dtype, peak):
    planes = samples(dtype, peak)
    features = torch.empty(3, 1030, 3)
    back = torch.zeros(3, 3, 2000, dtype=dtype)[:, :, :1030]
    frame_in(planes, features, peak)
    frame_out(features, back, peak)
    assert torch.equal(back.double(), planes.double().clamp(0, peak))


def test_rounds_to_the_nearest_and_keeps_nan_visible():
    features = torch.tensor([[[0.4, 0.6, 254.5]]]) / 255
    back = torch.zeros(3, 1, 1, dtype=torch.uint8)
    frame_out(features, back, 255)
    assert back.flatten().tolist() == [0, 1, 255]
    floats = torch.zeros(3, 1, 1)
    frame_out(features * float("nan"), floats, 1)
    assert floats.isnan().all()
