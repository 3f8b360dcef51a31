from collections.abc import Callable
from pathlib import Path

import pytest
import vapoursynth as vs

from vsfdat import plugin
from vsfdat.encode import Settings, upscale_file


@pytest.fixture
def upscale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Run the command's work with a stand-in for the network: what is tested here is all else."""

    def enlarge(clip, **_):
        return clip.resize.Point(clip.width * 2, clip.height * 2, format=vs.RGBS)

    def run(path: Path, ending: str, **settings: object) -> Path:
        output = tmp_path / f"output{ending}"
        upscale_file(path, output, Settings(**settings))
        return output

    monkeypatch.setattr(plugin, "upscale", enlarge)
    return run
