"""Which plugin is chosen and what it is told, by stand-ins; and the real ones where they are installed."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import vapoursynth as vs

import vsfdat
from tests.stand_ins import tiny_fdat
from vsfdat.arch import TFDAT, TFDATConfig
from vsfdat.mlrt import engines, plugins
from vsfdat.options import UpscaleOptions

TINY = tiny_fdat()
CLIP = SimpleNamespace(width=64, height=48)
# Writes down how it was called, and an engine.
TRTEXEC = """#!/bin/sh
echo "$@" >> "$0.log"
for argument; do case $argument in --saveEngine=*) : > "${argument#*=}";; esac; done
"""
NONE = f'engine="mlrt" needs one of vs-mlrt\'s plugins, and none is installed: {plugins._INSTALL}'


class Plugin:
    """What a plugin of vs-mlrt says of itself; its clips are what it was asked with."""

    def __init__(self, **version: object) -> None:
        self._version = version

    def Version(self) -> dict[str, object]:  # noqa: N802 (the plugins' name)
        return self._version

    def AvailableDevices(self) -> object:  # noqa: N802
        return self._version.get("devices", "CPU")

    def Model(self, clips: list[object], path: str, **keywords: Any) -> dict[str, Any]:  # noqa: N802
        if self._version.get("broken"):
            raise vs.Error("Model: no layer LayerNormalization\nmore")
        return {"path": path, **keywords}


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[dict[str, Any]]:
    asked: list[dict[str, Any]] = []

    def keep(network: object, **facts: Any) -> Path:
        asked.append(facts)
        return tmp_path / "graph.onnx"

    monkeypatch.setattr(plugins, "keep", keep)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setenv("PATH", str(tmp_path))
    return asked


def run(core: object, **options: Any) -> dict[str, Any]:
    return plugins.run(core, CLIP, TINY, UpscaleOptions(engine="mlrt", **options))


def test_on_a_cpu_openvino_is_asked_for_fp32(kept: list[dict[str, Any]]) -> None:
    core = SimpleNamespace(ort=Plugin(providers=b"CUDA"), ov=Plugin())
    asked = run(core, num_streams=3)
    assert asked.pop("config")() == {"INFERENCE_PRECISION_HINT": "f32"}
    assert asked.items() >= {"device": "CPU", "num_streams": 3}.items()
    assert kept == [{"size": (64, 48), "half": False}]


@pytest.mark.parametrize(
    ("core", "options", "told", "half"),
    [
        (SimpleNamespace(ort=Plugin(providers="DML"), ov=Plugin()), {}, {"provider": "DML", "device_id": 0}, True),
        (SimpleNamespace(ort=Plugin(providers="DML")), {"device": "ort:1", "precision": "fp32"},
         {"provider": "DML", "device_id": 1}, False),
        (SimpleNamespace(ort=Plugin(providers="DML")), {"device": "cpu"}, {"device_id": 0}, False),
        (SimpleNamespace(ov=Plugin(devices=["CPU", "GPU.0"]), ort=Plugin()), {}, {"device": "GPU"}, True),
        (SimpleNamespace(ncnn=Plugin()), {}, {"fp16": True, "device_id": 0}, False),
        (SimpleNamespace(ort=Plugin()), {"tile": (32, 999), "overlap": 4}, {"tilesize": [32, 48], "overlap": [4, 4]},
         False),
    ],
)  # fmt: skip
def test_the_device_settles_the_plugin(kept, core: object, options: dict, told: dict, half: bool) -> None:
    asked = run(core, **options)
    assert {name: asked.get(name) for name in told} == told
    assert ("provider" in asked) == ("provider" in told)
    assert kept[0]["half"] == half


def test_tensorrt_gets_an_engine_that_is_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "trtexec"
    program.write_text(
        '#!/bin/sh\necho "$@" >> "$0.log"\nfor a; do case $a in --saveEngine=*) : > "${a#*=}";; esac; done\n'
    )
    program.chmod(0o755)
    core = SimpleNamespace(trt=Plugin(tensorrt_version=b"101300", path=b"/x/libvstrt.so"), ov=Plugin())
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    engine = tmp_path / "graph.trt-101300-0.engine"
    assert [run(core)["path"], run(core)["path"]] == [str(engine)] * 2
    assert (tmp_path / "trtexec.log").read_text() == (
        f"--onnx={tmp_path}/graph.onnx --saveEngine={engine}.part --device=0 --skipInference --stronglyTyped\n"
    )


def test_a_builder_that_fails_is_quoted_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "migraphx-driver"
    program.write_text("#!/bin/sh\necho first >&2; echo no such layer >&2; exit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(vsfdat.errors.ExportError) as caught:
        run(SimpleNamespace(migx=Plugin()))
    assert str(caught.value) == "migraphx-driver cannot build an engine of it (no such layer)"
    assert [path.name for path in tmp_path.iterdir()] == ["migraphx-driver"]


@pytest.mark.parametrize(
    ("core", "options", "sentence"),
    [
        (SimpleNamespace(), {}, NONE),
        (SimpleNamespace(ov=Plugin()), {"device": "cuda"},
         "device must be one of auto, cpu, ov with engine=\"mlrt\", passed 'cuda'"),
        (SimpleNamespace(ncnn=Plugin()), {"device": "cpu"},
         'device "cpu" needs core.ov or core.ort with engine="mlrt"; here are ncnn'),
        (SimpleNamespace(ort=Plugin()), {"precision": "bf16"},
         'precision "bf16" with engine="mlrt" is for core.ov alone, and core.ort is used'),
        (SimpleNamespace(ort=Plugin()), {"compile": True},
         'compile must be False with engine="mlrt", whose runtimes compile the network themselves'),
        (SimpleNamespace(trt=Plugin()), {}, "core.trt needs trtexec, and it is neither on PATH nor beside the plugin"),
        (SimpleNamespace(ncnn=Plugin(broken=True)), {},
         "core.ncnn refuses the network (Model: no layer LayerNormalization)"),
    ],
)  # fmt: skip
def test_what_does_not_go_is_said(core: object, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises((ValueError, vsfdat.errors.ExportError)) as caught:
        run(core, **options)
    assert str(caught.value) == sentence


def test_a_temporal_network_is_refused() -> None:
    config = TFDATConfig(embed_dim=8, num_heads=2, num_groups=1, depth_per_group=1, scale=2, mid_dim=8, flow_base_ch=4)
    with pytest.raises(ValueError, match=r'^engine="mlrt" runs models of one frame, and TFDAT looks at its'):
        plugins.run(SimpleNamespace(), CLIP, TFDAT(config), UpscaleOptions(engine="mlrt"))


def test_builders_are_those_of_plugins_that_are_known() -> None:
    assert engines.BUILDERS.keys() <= set(plugins._NAMES)
