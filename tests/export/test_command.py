from pathlib import Path

import pytest

from tests.encode.clips import make_model
from vsfdat.cli import main


def fails(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["export", *map(str, arguments)])
    assert ended.value.code == 1
    return capsys.readouterr().err


@pytest.mark.slow
def test_a_model_is_written_and_said_to_be_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for package in ("onnx", "onnxruntime", "onnxconverter_common"):
        pytest.importorskip(package)
    model, file = make_model(tmp_path / "2x.safetensors"), tmp_path / "o.onnx"
    main(["export", str(model), str(file), "--size", "24x16", "--precision", "fp16"])
    said = capsys.readouterr().out
    assert said.startswith(f"{file}: frames of 24x16, fp16, 0.0")
    assert "; checked: ONNX Runtime's picture is off by " in said
    assert fails(capsys, model, file) == f"vsfdat: {file} exists (pass --overwrite to replace it)\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2x.safetensors", "o.onnx"]


@pytest.mark.parametrize(
    ("file", "options", "message"),
    [
        ("o.pth", [], "the file to write must end in .onnx, passed {folder}/o.pth"),
        ("none/o.onnx", [], "there is no folder {folder}/none"),
        (".onnx/x.onnx/..", [], "the file to write must end in .onnx, passed {folder}/.onnx/x.onnx/.."),
        ("o.onnx", ["--size", "24"], "--size must be WIDTHxHEIGHT in pixels, passed '24'"),
        ("o.onnx", ["--frames", "4"], "frames must be odd and at least 3, passed 4"),
    ],
)
def test_mistakes(tmp_path: Path, capsys, file: str, options: list[str], message: str) -> None:
    assert fails(capsys, "fdat-tiny-1x-restore", tmp_path / file, *options) == (
        f"vsfdat: {message.format(folder=tmp_path)}\n"
    )


@pytest.mark.parametrize("package", ["onnx"])
def test_what_is_missing_is_named(tmp_path: Path, capsys, monkeypatch, package: str) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    assert fails(capsys, "fdat-tiny-1x-restore", tmp_path / "o.onnx") == (
        f'vsfdat: {package} is not installed, it comes with: pip install "vsfdat[onnx]"\n'
    )
    assert list(tmp_path.iterdir()) == []
