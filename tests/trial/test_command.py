import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import vapoursynth as vs

from tests.encode.clips import Recipe, make_model, make_video
from vsfdat.cli import main
from vsfdat.trial import scores

INSTALLED = scores.is_installed()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "film.mkv", Recipe(sample_aspect=2))
    make_model(tmp_path / "one.safetensors")
    make_model(tmp_path / "two.safetensors", scale=1)
    return tmp_path


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["try", *map(str, arguments)])
    assert ended.value.code == 1
    return capsys.readouterr().err.splitlines()[-1]


def read(page: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(encoding="utf-8"))
    assert found
    return json.loads(found[1])


@pytest.mark.slow
def test_a_page_of_two_models_of_different_scales(folder: Path, capsys) -> None:
    main(["try", "film.mkv", "--models", "one.safetensors,two.safetensors", "--moments", "3", "--device", "cpu"])
    said = capsys.readouterr().out.splitlines()
    data = read(folder / "film_try.html")
    assert [*data["scenes"][0]["pictures"]] == ["bicubic", "one.safetensors", "two.safetensors"]
    assert [scene["size"] for scene in data["scenes"]] == [[64, 48]] * 3
    assert data["film"] == "32×24 to 64×48, h264 crf 17 preset medium"
    assert data["aspect"] == 2
    assert said[-2] == data["forecast"]
    assert re.fullmatch(r"All 20 frames by one.safetensors: about \d+ s and [\d.]+ kB", data["forecast"])
    assert re.fullmatch(r"film_try.html: 0.\d MB, open it in a browser", said[-1])
    assert sorted(path.name for path in folder.iterdir()) == [
        "film.mkv", "film_try.html", "one.safetensors", "two.safetensors",
    ]  # fmt: skip


def test_without_a_forecast_the_film_is_not_encoded(folder: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("vsfdat.trial.work.forecast", None)
    (folder / "other").mkdir()
    shutil.copy(folder / "one.safetensors", folder / "other")
    models = ["one.safetensors", "other/one.safetensors"]
    asked = ["--models", ",".join(models), "--moments", "1", "--no-forecast", "--out", "seen.html"]
    main(["try", "film.mkv", *asked])
    assert read(folder / "seen.html")["forecast"] == ""
    assert [*read(folder / "seen.html")["models"]] == ["bicubic", *models]
    assert "All 20 frames" not in capsys.readouterr().out


@pytest.mark.skipif(not INSTALLED, reason="vapoursynth-vszip is not installed")
def test_against_a_reference_each_way_is_measured(folder: Path, capsys) -> None:
    make_video(folder / "large.mkv", Recipe(size=(64, 48)))
    asked = ["--models", "one.safetensors", "--moments", "1", "--no-forecast", "--reference", "large.mkv"]
    main(["try", "film.mkv", *asked])
    plain, model, _ = capsys.readouterr().out.splitlines()
    figures = r"-?\d+\.\d SSIMULACRA2, -?\d+\.\d\d dB XPSNR"
    assert re.fullmatch(f"bicubic: {figures}", plain)
    assert re.fullmatch(f"one.safetensors: .* s a frame; {figures}", model)


@pytest.mark.skipif(not INSTALLED, reason="vapoursynth-vszip is not installed")
def test_a_picture_that_is_the_reference_measures_so() -> None:
    ramp = vs.core.std.BlankClip(None, 64, 64, vs.RGBS, length=1, color=[0.2, 0.4, 0.6])
    ramp = vs.core.std.StackHorizontal([ramp, ramp.std.Invert()])
    assert scores.measure_one(ramp, ramp)[0] > 99
    blurred = scores.measure_one(ramp, ramp.std.BoxBlur(hradius=3, vradius=3))
    assert blurred[0] < 90
    assert blurred[1] < scores.measure_one(ramp, ramp)[1]


def test_where_nothing_measures_a_line_says_what_to_install(folder: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(scores, "is_installed", lambda: False)
    asked = ["--models", "one.safetensors", "--moments", "1", "--no-forecast", "--reference", "film.mkv"]
    main(["try", "film.mkv", *asked])
    assert "vsfdat: to measure against the reference: pip install vapoursynth-vszip" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--moments", "0"], "--moments must be from 1 to 24, passed 0"),
        (["--out", "page.pdf"], "--out must end in .html, passed 'page.pdf'"),
        (["--models", ","], "--models must be names or files with commas between, passed ','"),
        (["--out", "nowhere/page.html"], "output folder not found: {folder}/nowhere"),
        (["--reference", "gone.mkv"], "reference not found: gone.mkv"),
        (["--models", "gone.pth"], "model file not found: gone.pth"),
        (["--crf", "99"], "crf must be from 0 to 51 for h264, passed 99"),
    ],
)
def test_what_does_not_fit_is_told_before_the_film_is_read(
    folder: Path, capsys, arguments: list[str], sentence: str
) -> None:
    assert fails(capsys, "film.mkv", *arguments) == f"vsfdat: {sentence.format(folder=folder)}"
    assert not [*folder.glob("*.html")]


def test_a_page_that_is_there_is_left_alone(folder: Path, capsys) -> None:
    (folder / "film_try.html").write_text("mine")
    sentence = fails(capsys, "film.mkv")
    assert sentence == "vsfdat: output exists: film_try.html (pass --overwrite to replace it)"
    assert (folder / "film_try.html").read_text() == "mine"


def test_a_film_that_is_none_is_one_sentence(folder: Path, capsys) -> None:
    asked = ("--models", "one.safetensors", "--device", "cpu")
    assert fails(capsys, "gone.mkv", *asked) == "vsfdat: input not found: gone.mkv"
    (folder / "text.mkv").write_text("no film")
    assert fails(capsys, "text.mkv", *asked).startswith("vsfdat: text.mkv: not a readable video file (")


@pytest.mark.skipif(not INSTALLED, reason="vapoursynth-vszip is not installed")
def test_a_reference_of_another_size_is_one_sentence(folder: Path, capsys) -> None:
    sentence = fails(capsys, "film.mkv", "--models", "one.safetensors", "--reference", "film.mkv")
    assert sentence == (
        "vsfdat: --reference must be the same film in the output's size, 64x48 with 20 frames, "
        "passed film.mkv of 32x24 with 20"
    )
