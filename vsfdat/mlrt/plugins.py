"""Which of vs-mlrt's plugins runs a network, where, and with what."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from vsfdat.arch import FDAT, TFDAT
from vsfdat.errors import ExportError
from vsfdat.export.store import keep
from vsfdat.options import UpscaleOptions

from .engines import BUILDERS, build, find_builder
from .place import Place, text

# Most to least promising where several are installed.
_NAMES = ("trt", "trt_rtx", "migx", "ort", "ov", "ncnn")
_INSTALL = (
    "pip install vapoursynth-mlrt-ov (CPUs and Intel), -ort (CPUs; on Windows and Apple GPUs too), -trt or -trt-rtx "
    "(NVIDIA), -migx (AMD) or -ncnn (Vulkan)"
)


def run(core: Any, clip: Any, network: FDAT, options: UpscaleOptions) -> Any:
    """Make the clip that an installed plugin makes with a network.

    Args:
        core: VapourSynth's.
        clip: RGBS or GRAYS in [0, 1], as the network's channels are.
        network: Of one frame.
        options: Device, precision, tile, overlap and streams count.

    Raises:
        ValueError: An option does not go with these plugins.
        ExportError: No such plugin is here, or it refuses the network.
    """
    if options.compile:
        raise ValueError('compile must be False with engine="mlrt", whose runtimes compile the network themselves')
    if isinstance(network, TFDAT):
        raise ValueError('engine="mlrt" runs models of one frame, and TFDAT looks at its neighbours')
    place = _choose(core, options.device)
    half = _is_half(options.precision, place)
    tile = options.tile and (min(options.tile[0], clip.width), min(options.tile[1], clip.height))
    # ncnn has a conversion of its own.
    graph = keep(network, size=tile or (clip.width, clip.height), half=half and place.name != "ncnn")
    keywords = _keywords(place, options, half)
    if tile:
        keywords |= {"tilesize": list(tile), "overlap": [options.overlap, options.overlap]}
    file = build(core, place, graph) if place.name in BUILDERS else graph
    try:
        return getattr(core, place.name).Model([clip], str(file), **keywords)
    except Exception as error:  # vapoursynth.Error, which this module does not import
        raise ExportError(f"core.{place.name} refuses the network ({str(error).splitlines()[0]})") from error


def _choose(core: Any, device: str | Sequence[str]) -> Place:
    here = [name for name in _NAMES if hasattr(core, name)]
    if not here:
        raise ExportError(f'engine="mlrt" needs one of vs-mlrt\'s plugins, and none is installed: {_INSTALL}')
    name, _, index = device.partition(":") if isinstance(device, str) else ("", "", "")
    if name not in ("auto", "cpu", *here) or not (index.isdigit() or not index):
        raise ValueError(
            f'device must be one of {", ".join(("auto", "cpu", *here))} with engine="mlrt", passed {device!r}'
        )
    if name == "cpu":
        return _on_cpu(here)
    if name != "auto":
        return Place(name, int(index or 0), _provider(core, name))
    ready = [Place(each, int(index or 0), _provider(core, each)) for each in here if _is_ready(core, each)]
    # ncnn knows few of FDAT's layers.
    best = [place for place in ready if not place.is_cpu and place.name != "ncnn"]
    return best[0] if best else _on_cpu(here) if {"ov", "ort"} & set(here) else Place(here[0], int(index or 0), "")


def _is_ready(core: Any, name: str) -> bool:
    return name not in BUILDERS or find_builder(core, name) is not None


def _on_cpu(here: Sequence[str]) -> Place:
    for name, provider in (("ov", "CPU"), ("ort", "")):
        if name in here:
            return Place(name, 0, provider)
    raise ValueError(f'device "cpu" needs core.ov or core.ort with engine="mlrt"; here are {", ".join(here)}')


def _provider(core: Any, name: str) -> str:
    if name == "ov":
        return "GPU" if "GPU" in str(core.ov.AvailableDevices()) else "CPU"
    if name != "ort":
        return ""
    built = text(core.ort.Version().get("providers", "")).upper()
    usable = {"DML": True, "COREML": True, "CUDA": torch.cuda.is_available()}
    return next((provider for provider, is_usable in usable.items() if provider in built and is_usable), "")


def _is_half(precision: str, place: Place) -> bool:
    if precision == "bf16" and place.name != "ov":
        raise ValueError(f'precision "bf16" with engine="mlrt" is for core.ov alone, and core.{place.name} is used')
    if precision not in ("auto", "fp32", "fp16", "bf16"):
        raise ValueError(f"precision must be one of auto, fp32, fp16, bf16, passed {precision!r}")
    return precision == "fp16" or (precision == "auto" and not place.is_cpu)


def _keywords(place: Place, options: UpscaleOptions, half: bool) -> dict[str, Any]:
    # OpenVINO gives each frame one core of a CPU.
    usual = torch.get_num_threads() if place.is_cpu and place.name == "ov" else 1
    keywords: dict[str, Any] = {"num_streams": options.num_streams or usual}
    if place.name == "ov":
        return keywords | {"device": place.provider, "config": _hints(options.precision, half)}
    keywords["device_id"] = place.index
    if place.name == "ort" and place.provider:
        keywords["provider"] = place.provider
    return keywords | ({"fp16": half} if place.name == "ncnn" else {})


def _hints(precision: str, half: bool) -> Callable[[], dict[str, str]]:
    """Have OpenVINO compute in what was asked for: left alone it chooses by the machine."""
    if half:  # the graph says of each step whether it is fp16
        return lambda: {"EXECUTION_MODE_HINT": "ACCURACY"}
    return lambda: {"INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32"}
