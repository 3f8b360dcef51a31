from collections.abc import Callable
from pathlib import Path

import pytest

from tests.encode.clips import Recipe, make_model, make_video
from vsfdat.encode import Outcome, Settings, upscale_file
from vsfdat.options import UpscaleOptions


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "tiny.safetensors")


@pytest.fixture
def run(tmp_path: Path, model: Path) -> Callable[..., tuple[Path, Outcome]]:
    """Make a video to a recipe, upscale it by 2, and give the output."""

    def make(recipe: Recipe, endings: tuple[str, str] = (".mkv", ".mp4"), **settings: object) -> tuple[Path, Outcome]:
        source = make_video(tmp_path / f"source{endings[0]}", recipe)
        upscale = {"model": model, "device": "cpu", "engine": "reference"} | settings.pop("upscale", {})
        output = tmp_path / f"output{endings[1]}"
        return output, upscale_file(source, output, Settings(upscale=UpscaleOptions(**upscale), **settings))

    return make
