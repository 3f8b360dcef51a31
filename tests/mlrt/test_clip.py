"""The real plugins, where they are installed: the same picture, and frames described as ours are."""

from pathlib import Path

import numpy as np
import pytest
import vapoursynth as vs

import vsfdat
from tests.random_weights import fill
from tests.stand_ins import picture_clip, pixels, tiny_fdat

INSTALLED = [name for name in ("ov", "ort") if hasattr(vs.core, name)]
PICTURE = np.random.default_rng(0).integers(16, 235, (3, 22, 34))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx")
    # Not by the environment: compiled kernels have their cache there too.
    monkeypatch.setattr("vsfdat.export.store.cache_folder", lambda kind: tmp_path / kind)


def both(clip: vs.VideoNode, plugin: str, **network: object) -> list[vs.VideoFrame]:
    module = tiny_fdat(**network)
    fill(module)
    ours = vsfdat.upscale(clip, module, device="cpu", precision="fp32")
    theirs = vsfdat.upscale(clip, module, engine="mlrt", device=plugin, precision="fp32")
    assert (theirs.format.name, theirs.num_frames) == (ours.format.name, ours.num_frames)
    return [made.get_frame(0) for made in (ours, theirs)]


@pytest.mark.slow
@pytest.mark.parametrize("plugin", INSTALLED or [pytest.param("none", marks=pytest.mark.skip("no plugin is here"))])
@pytest.mark.parametrize(("form", "channels"), [(vs.YUV444P8, 3), (vs.RGBH, 3), (vs.GRAY8, 1), (vs.RGB24, 1)])
def test_a_plugin_makes_our_picture(plugin: str, form: int, channels: int) -> None:
    picture = PICTURE if form != vs.RGBH else PICTURE / 255
    props = {"_Matrix": 1, "Kept": 7} if form == vs.YUV444P8 else {"Kept": 7}
    ours, theirs = both(picture_clip(picture, form, **props), plugin, channels=channels)
    assert np.abs(pixels(ours).astype(float) - pixels(theirs)).max() < (2e-3 if form == vs.RGBH else 1e-5)
    assert {name: ours.props[name] for name in ours.props} == {name: theirs.props[name] for name in theirs.props}
    assert theirs.props["Kept"] == 7


def test_without_a_plugin_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    if INSTALLED:
        pytest.skip("plugins are here")
    with pytest.raises(vs.Error, match=r'^vsfdat\.upscale: engine="mlrt" needs one of vs-mlrt\'s plugins, and none is'):
        vsfdat.upscale(picture_clip(PICTURE, vs.RGB24), tiny_fdat(), engine="mlrt")
