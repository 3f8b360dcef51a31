"""The whole matrix of the exactness promise, by hand: python -m tests.bench.exactness [--presets fdat_tiny ...].

Every preset × unshuffle × size × head × strip height: the engine's error against float64 over the plain module's own,
in the engine's precision. What comes before the head is computed once for all heads, by the engine and by the plain
module alike. The test suite runs the corners of this; the rest takes an hour or two on a CPU.
"""

import argparse
import copy
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from tests.random_weights import fill, random_network
from vsfdat.arch import FDAT, PRESETS, FDATConfig
from vsfdat.arch.config import UPSAMPLER_SCALES
from vsfdat.arch.upsampler import UniUpsampleV3
from vsfdat.engine.agreement import Agreement
from vsfdat.engine.device import DTYPES
from vsfdat.engine.head import Head
from vsfdat.engine.plan import Plan
from vsfdat.engine.runner import ExactEngine, fold_network, shape_of
from vsfdat.notices import Once
from vsfdat.ops import REFERENCE, Backend, Ops, choose
from vsfdat.ops.interface import Rows

CPU = torch.device("cpu")
SIZES = ((37, 51), (64, 64), (121, 203), (272, 480))
STRIP_ROWS = (8, 16, 64, 4096)
Upsamplers = dict[str, UniUpsampleV3]
Pictures = dict[str, Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", nargs="+", default=list(PRESETS))
    parser.add_argument("--heads", nargs="+", default=list(UPSAMPLER_SCALES))
    parser.add_argument(
        "--sizes", nargs="+", type=int, default=range(len(SIZES)), help="which, from the smallest: 0 1 2 3"
    )
    parser.add_argument("--ops", nargs="+", choices=["torch", "best"], default=["torch", "best"])
    parser.add_argument("--precision", choices=list(DTYPES), default="fp32")
    parser.add_argument("--out", type=Path, required=True, help="JSON lines; cases that it holds are not run again")
    arguments = parser.parse_args()
    dtype = DTYPES[arguments.precision]
    known = {"torch": REFERENCE, "best": choose(CPU, dtype, shape_of(PRESETS["fdat_tiny"]))}
    backends = [known[ops] for ops in arguments.ops]
    done = [json.loads(line) for line in arguments.out.read_text().splitlines()] if arguments.out.exists() else []
    for number in arguments.sizes:
        for preset in arguments.presets:
            for unshuffle in (False, True):
                body = {"preset": preset, "unshuffle": unshuffle, "size": "{1}x{0}".format(*SIZES[number])}
                if any(body.items() <= row.items() for row in done):
                    continue
                rows = [
                    body | row for row in measure(preset, unshuffle, SIZES[number], arguments.heads, dtype, backends)
                ]
                with arguments.out.open("a") as file:
                    file.writelines(json.dumps(row) + "\n" for row in rows)
                print(body, summary(rows), flush=True)
                done += rows
    print(summary(done))


def summary(rows: Sequence[dict]) -> str:
    worst = max(rows, key=lambda row: row["error"] / row["plain"])
    failed = sum(not row["passed"] for row in rows)
    return f"{len(rows)} cases, {failed} failed; worst {worst['error'] / worst['plain']:.2f} x plain's: {worst}"


def measure(
    preset: str,
    unshuffle: bool,
    size: tuple[int, int],
    heads: Sequence[str],
    dtype: torch.dtype,
    backends: Sequence[Backend],
) -> Iterator[dict]:
    """One body under all heads."""
    network = random_network(replace(PRESETS[preset], scale=2, unshuffle_mod=unshuffle))
    upsamplers = {head: random_head(head, network.config) for head in heads if not (unshuffle and head == "conv")}
    frame = torch.rand(3, *size)
    truth = plain_pictures(network, upsamplers, frame, torch.float64)
    plain = plain_pictures(network, upsamplers, frame, dtype)
    plain_errors = {head: difference(picture, truth[head]) for head, picture in plain.items()}
    for backend, plan in ways(backends):
        for head, picture in engine_pictures(network, upsamplers, frame, dtype, backend, plan).items():
            error, plain_error = difference(picture, truth[head]), plain_errors[head]
            yield {
                "head": head, "backend": backend.name, "rows": plan.rows, "host_maps": plan.host_maps,
                "error": error, "plain": plain_error, "passed": error <= 2 * plain_error + 1e-6,
            }  # fmt: skip


def ways(backends: Sequence[Backend]) -> Iterator[tuple[Backend, Plan]]:
    """Every backend at every strip height; one that cuts strips itself gets its heights from maps in host memory."""
    for backend in backends:
        for rows in STRIP_ROWS:
            yield backend, Plan(rows, host_maps=backend.cuts_itself and rows < max(STRIP_ROWS))


def random_head(head: str, config: FDATConfig) -> UniUpsampleV3:
    scale = config.head_scale if config.head_scale in UPSAMPLER_SCALES[head] else 1
    upsampler = UniUpsampleV3(head, scale, config.embed_dim, config.num_out_ch, config.mid_dim)
    fill(upsampler)
    return upsampler.eval().requires_grad_(False)


@torch.inference_mode()
def plain_pictures(network: FDAT, upsamplers: Upsamplers, frame: Tensor, dtype: torch.dtype) -> Pictures:
    body = copy.deepcopy(network).to(dtype)
    body.upsampler = nn.Identity()
    features = body(frame[None].to(dtype))
    height, width = frame.shape[1:]
    pictures = {}
    for head, upsampler in upsamplers.items():
        picture = copy.deepcopy(upsampler).to(dtype)(features)[0]
        scale = scale_of(head, network.config)
        pictures[head] = picture[:, : height * scale, : width * scale]
    return pictures


class AllHeads:
    """In the place of a network's head: runs them all on the features."""

    def __init__(self, heads: dict[str, Head], pictures: Pictures) -> None:
        self._heads = heads
        self._pictures = pictures

    def __call__(self, ops: Ops, features: Tensor, _: Tensor, strips: Sequence[Rows], rows: int) -> None:
        for name, head in self._heads.items():
            head(ops, features, self._pictures[name], strips, rows)


def engine_pictures(
    network: FDAT, upsamplers: Upsamplers, frame: Tensor, dtype: torch.dtype, backend: Backend, plan: Plan
) -> Pictures:
    height, width = frame.shape[1:]
    scales = {head: scale_of(head, network.config) for head in upsamplers}
    pictures = {head: torch.full((3, height * scale, width * scale), torch.nan) for head, scale in scales.items()}
    heads = AllHeads({head: Head(up, CPU, dtype, backend) for head, up in upsamplers.items()}, pictures)
    folded = replace(fold_network(network, CPU, dtype, backend), head=heads)
    agreement = Agreement(network.config, CPU, dtype.itemsize, plan)
    ExactEngine(folded, agreement, Once(logging.getLogger(__name__)))(frame)
    return pictures


def scale_of(head: str, config: FDATConfig) -> int:
    return 1 if head == "conv" else config.scale


def difference(picture: Tensor, truth: Tensor) -> float:
    assert picture.shape == truth.shape
    return (picture.double() - truth).abs().max().item()


if __name__ == "__main__":
    main()
