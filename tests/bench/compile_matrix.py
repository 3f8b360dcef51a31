"""Compile every kernel for every GPU generation, precision and preset, without a GPU, and print what each takes.

    python -m tests.bench.compile_matrix [--kernels ffn,conv3x3] [--capabilities 9.0] [--dtypes fp16]

`fits` is the number of programs that one multiprocessor can hold; `stack` above 0 means spilled registers.
"""

import argparse

import torch

from tests.ops.ahead import Compiled, compiling_for
from tests.ops.kernel_cases import KERNELS, SHAPES, Case
from vsfdat.ops import triton as ops

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
CAPABILITIES = {"8.0": (8, 0), "8.9": (8, 9), "9.0": (9, 0)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernels", default=",".join(KERNELS))
    parser.add_argument("--capabilities", default=",".join(CAPABILITIES))
    parser.add_argument("--dtypes", default=",".join(DTYPES))
    parser.add_argument("--presets", default="fdat_tiny,fdat_medium,fdat_large")
    options = parser.parse_args()
    print(f"{'op':16}{'preset':14}{'dtype':6}{'sm':5}{'warps':>6}{'regs':>6}{'stack':>7}{'shared':>8}{'fits':>6}  mma")
    for name in options.kernels.split(","):
        for preset in options.presets.split(","):
            for dtype in options.dtypes.split(","):
                for capability in options.capabilities.split(","):
                    report(name, preset, dtype, capability)


def report(name: str, preset: str, dtype: str, capability: str) -> None:
    """Compile one op's kernels and print a line for each."""
    for kernel in compile_op(name, preset, dtype, CAPABILITIES[capability]):
        unit = "wgmma" if kernel.warpgroup_mma else "mma" if kernel.mma else "-"
        print(
            f"{name:16}{preset:14}{dtype:6}{capability:5}{kernel.warps:6}{kernel.registers:6}{kernel.stack:7}"
            f"{kernel.shared:8}{kernel.fits(CAPABILITIES[capability]):6}  {unit}",
            flush=True,
        )


def compile_op(name: str, preset: str, dtype: str, capability: tuple[int, int]) -> list[Compiled]:
    """Compile what one op launches at a preset's shape."""
    case = Case(SHAPES[preset], 16, 32, (0, 16), DTYPES[dtype], torch.device("cpu"))
    with compiling_for(capability) as compiled:
        KERNELS[name](case, ops)
    return compiled


if __name__ == "__main__":
    main()
