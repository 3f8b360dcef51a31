"""What TensorRT and MIGraphX run: engines, which a program of theirs builds of a graph for one device."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from vsfdat.errors import ExportError

from .place import Place, text

BUILDERS = {"trt": "trtexec", "trt_rtx": "tensorrt_rtx", "migx": "migraphx-driver"}


def find_builder(core: Any, name: str) -> str | None:
    """Find the program that makes a plugin's engines: on PATH, or where vs-mlrt's releases have it."""
    program = BUILDERS[name]
    beside = Path(text(getattr(core, name).Version().get("path", ""))).parent
    folders = [os.environ.get("PATH", ""), str(beside), str(beside / "vsmlrt-cuda"), str(beside / "vsmlrt-hip")]
    return shutil.which(program, path=os.pathsep.join(folders))


def build(core: Any, place: Place, graph: Path) -> Path:
    """Build a plugin's engine from a graph, once for each version of the plugin and each device.

    Args:
        core: VapourSynth's.
        place: Of a plugin in `BUILDERS`.
        graph: For frames of one size.

    Raises:
        ExportError: What builds it is not here, or cannot.
    """
    program = find_builder(core, place.name)
    if program is None:
        raise ExportError(
            f"core.{place.name} needs {BUILDERS[place.name]}, and it is neither on PATH nor beside the plugin"
        )
    version = text(_version(core, place.name))
    engine = graph.with_name(f"{graph.stem}.{place.name}-{version}-{place.index}.engine")
    if engine.is_file():
        return engine
    part = engine.with_name(engine.name + ".part")
    try:
        done = subprocess.run(_line(program, place, graph, part, version), capture_output=True, text=True, check=False)
        if done.returncode or not part.is_file():
            last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it says nothing"]
            raise ExportError(f"{BUILDERS[place.name]} cannot build an engine of it ({last[0]})")
        part.replace(engine)
    except OSError as error:
        raise ExportError(f"{program} cannot be run ({error.strerror})") from error
    finally:
        part.unlink(missing_ok=True)
    return engine


def _version(core: Any, name: str) -> object:
    said = getattr(core, name).Version()
    return next((said[key] for key in ("tensorrt_version", "migraphx_version", "version") if key in said), "")


def _line(program: str, place: Place, graph: Path, engine: Path, version: str) -> list[str]:
    if place.name == "migx":
        return [program, "compile", "--onnx", str(graph), "--gpu", "--optimize", "--binary", "--output", str(engine)]
    line = [program, f"--onnx={graph}", f"--saveEngine={engine}", f"--device={place.index}", "--skipInference"]
    # The graph says what is fp16. TensorRT 11 takes it at its word, as 9 and 10 do where they are told to.
    return [*line, "--stronglyTyped"] if place.name == "trt" and version[:2] in ("10", "90", "91", "92", "93") else line
