"""Compile every kernel for every GPU generation, precision and preset, without a GPU, and print what each takes.

    python -m tests.bench.compile_matrix [--ops triton] [--kernels ffn,conv3x3] [--capabilities 9.0] [--dtypes fp16]

`fits` is the number of programs that one multiprocessor can hold; `stack` above 0 means spilled registers.
"""

import argparse

import torch

from tests.ops.ahead import Compiled, compiling_for, cuda_compiling_for
from tests.ops.kernel_cases import KERNELS, SHAPES, Case, kernels_of
from vsfdat.ops import cuda, triton

OPS = {"cuda": (cuda, cuda_compiling_for), "triton": (triton, compiling_for)}
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
CAPABILITIES = {"8.0": (8, 0), "8.9": (8, 9), "9.0": (9, 0), "12.0": (12, 0)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ops", default=",".join(OPS))
    parser.add_argument("--kernels", help="all that there are, by default")
    parser.add_argument("--capabilities", default=",".join(CAPABILITIES))
    parser.add_argument("--dtypes", default=",".join(DTYPES))
    parser.add_argument("--presets", default="fdat_tiny,fdat_medium,fdat_large")
    options = parser.parse_args()
    print(f"{'op':16}{'preset':14}{'dtype':6}{'sm':5}{'warps':>6}{'regs':>6}{'stack':>7}{'shared':>8}{'fits':>6}  mma")
    for ops in options.ops.split(","):
        print(ops)
        for name in options.kernels.split(",") if options.kernels else kernels_of(OPS[ops][0]):
            for preset in options.presets.split(","):
                for dtype in options.dtypes.split(","):
                    for capability in options.capabilities.split(","):
                        if ops != "cuda" or dtype != "fp32":
                            report(ops, name, preset, dtype, capability)


def report(ops: str, name: str, preset: str, dtype: str, capability: str) -> None:
    """Compile one op's kernels and print a line for each."""
    for kernel in compile_op(ops, name, preset, dtype, CAPABILITIES[capability]):
        unit = "wgmma" if kernel.warpgroup_mma else "mma" if kernel.mma else "-"
        print(
            f"{name:16}{preset:14}{dtype:6}{capability:5}{kernel.warps:6}{kernel.registers:6}{kernel.stack:7}"
            f"{kernel.shared:8}{kernel.fits(CAPABILITIES[capability]):6}  {unit}",
            flush=True,
        )


def compile_op(ops: str, name: str, preset: str, dtype: str, capability: tuple[int, int]) -> list[Compiled]:
    """Compile what one op launches at a preset's shape."""
    case = Case(SHAPES[preset], 16, 32, (0, 16), DTYPES[dtype], torch.device("cpu"))
    module, compiling = OPS[ops]
    with compiling(capability) as compiled:
        KERNELS[name](case, module)
    return compiled


if __name__ == "__main__":
    main()
