"""What a network that learnt gamma does to PQ and HLG: as they are, by way of a gamma curve, or bicubic instead.

    python -m tests.bench.hdr ramp
    python -m tests.bench.hdr edge
    python -m tests.bench.hdr pictures FOLDER [COUNT]

Pictures are of standard range; their highlights are stretched to 1000 and 4000 nits, and all is rounded to 10 bits.
"""

import math
import sys
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from tests.stand_ins import pq_nits, pq_signal
from vsfdat import load_model
from vsfdat.engine import build

CROP = 192
_network = build(load_model("fdat-tiny-2x"), device=torch.device("cpu"), precision="fp32")()


def network(signal: Tensor) -> Tensor:
    """Double [3, H, W] by the embedded model."""
    with torch.inference_mode():
        return _network(signal.float()).double().clamp(0, 1)


def bicubic(signal: Tensor) -> Tensor:
    """Double it by a cubic."""
    return functional.interpolate(signal[None], scale_factor=2, mode="bicubic")[0].clamp(0, 1)


def halve(signal: Tensor) -> Tensor:
    """Halve it by a cubic, and round to 10 bits as a film is."""
    half = functional.interpolate(signal[None], scale_factor=0.5, mode="bicubic", antialias=True)[0]
    return (half.clamp(0, 1) * 1023).round() / 1023


def by_gamma(peak: float) -> Callable[[Tensor], Tensor]:
    """Have the network see a gamma of 2.4 up to a peak in nits."""

    def double(signal: Tensor) -> Tensor:
        seen = (pq_nits(signal) / peak).clamp(0, 1) ** (1 / 2.4)
        return pq_signal(network(seen) ** 2.4 * peak)

    return double


WAYS = {"as it is": network, "gamma to 10000": by_gamma(10000), "gamma to 1000": by_gamma(1000), "bicubic": bicubic}


def hlg(light: Tensor) -> Tensor:
    """Turn scene light in [0, 1] into HLG, by ITU-R BT.2100."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * math.log(4 * a)
    return torch.where(light <= 1 / 12, (3 * light).sqrt(), a * (12 * light - b).clamp(min=1e-9).log() + c)


def ramp() -> None:
    """Print how far each way is from a line that goes through all of PQ."""
    length = 512
    line = torch.linspace(0, 1, length, dtype=torch.float64).mul(1023).round() / 1023
    ideal = ((torch.arange(2 * length) + 0.5) / 2 - 0.5) / (length - 1)
    for name, way in WAYS.items():
        found = way(line.expand(3, 32, length).contiguous())[:, 20:44].mean((0, 1))
        off, steps = (found - ideal)[8:-8].abs().max() * 1023, found.diff()[8:-8] * 1023
        print(f"{name:15} off by {off:.2f} of 1023, steps of 1 are {steps.min():.2f} to {steps.max():.2f}")


def edge() -> None:
    """Print by how much each way goes beyond a bright area, in percent of its nits."""
    rows, columns = torch.meshgrid(torch.arange(512) + 0.5, torch.arange(512) + 0.5, indexing="ij")
    for dark, bright in ((5, 100), (0.1, 1000), (5, 1000), (100, 1000), (100, 4000)):
        for slant in (0, 0.3):
            covered = ((columns + slant * (rows - 256)) > 259).double()
            light = dark + (bright - dark) * functional.avg_pool2d(covered[None], 4)
            signal = (pq_signal(light) * 1023).round().div(1023).expand(3, -1, -1).contiguous()
            over = {name: pq_nits(way(signal)[:, 24:-24, 24:-24]).max() / bright - 1 for name, way in WAYS.items()}
            print(f"{dark:g} to {bright}, slant {slant}:", ", ".join(f"{n} {v:+.1%}" for n, v in over.items()))


def pictures(folder: Path, count: int) -> None:
    """Print each way's mean PSNR on halved pictures, in dB of the signal."""
    scores: defaultdict[str, list[float]] = defaultdict(list)
    for path in sorted(path for path in folder.rglob("*") if path.suffix in (".png", ".jpg"))[:count]:
        picture = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1).double() / 255
        picture = halve(picture[:, : 4 * CROP, : 4 * CROP])  # which hides JPEG and the steps of 8 bits
        picture = picture[:, : picture.shape[1] // 2 * 2, : picture.shape[2] // 2 * 2]
        light = picture**2.2
        for peak, power in ((1000, 3), (4000, 4)):
            truth = pq_signal(light * 203 + (peak - 203) * light**power)
            for name, way in WAYS.items():
                if not name.endswith(" 1000") or peak <= 1000:
                    scores[f"PQ to {peak}, {name}"].append(_psnr(way(halve(truth)), truth))
        truth = hlg(light * 0.265 + 0.735 * light**3)
        for name in ("as it is", "bicubic"):
            scores[f"HLG, {name}"].append(_psnr(WAYS[name](halve(truth)), truth))
        print(path.name, flush=True)
    for name, values in scores.items():
        print(f"{name:30} {np.mean(values):.2f}")


def _psnr(found: Tensor, truth: Tensor) -> float:
    return float(-10 * (found - truth)[:, 6:-6, 6:-6].square().mean().log10())


if __name__ == "__main__":
    torch.set_num_threads(1)
    if sys.argv[1] == "pictures":
        pictures(Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 8)
    else:
        {"ramp": ramp, "edge": edge}[sys.argv[1]]()
