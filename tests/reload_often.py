"""Load a script 20 times as a previewer does: one process, the modules kept, a fresh core each time.

Prints a line a load: threads, tensors, objects since the first load, resident megabytes. Every second load abandons
frames that it asked for, and both engines take turns. Fails if the package, imported and used, left a global switch of
the process changed, or if a script that is closed has its previewer wait for more frames than are being made.
"""

import gc
import importlib
import logging
import os
import sys
import threading
import time
import warnings
from pathlib import Path

import torch
import vapoursynth as vs

import vsfdat
from tests.stand_ins import Enlarger


class Previewer(vs.EnvironmentPolicy):
    def on_policy_registered(self, api):
        self.api, self.current = api, None

    def on_policy_cleared(self):
        self.current = None

    def get_current_environment(self):
        return self.current

    def set_environment(self, environment):
        before, self.current = self.current, environment
        return before


def padded_network():
    """Build a tiny network with 48 MB of weights that nobody uses, so that a leak of it shows."""
    module = vsfdat.arch.FDAT(scale=2, embed_dim=8, num_heads=2, num_groups=1, depth_per_group=1, mid_dim=8).eval()
    module.ballast = torch.nn.Parameter(torch.ones(12, 1024, 1024))
    return module


def switches():
    """List what a library could change for everyone else in the process."""
    return (
        dict(os.environ), torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled(),
        torch.backends.cudnn.benchmark, torch.backends.cuda.matmul.allow_tf32, torch.get_float32_matmul_precision(),
        warnings.filters[:], logging.getLogger().handlers[:], sys.getswitchinterval(),
    )  # fmt: skip


def load(module, patient, engine):
    source = vs.core.std.BlankClip(format=vs.YUV420P8, width=32, height=24, length=100, keep=True)
    clip = vsfdat.upscale(source.std.SetFrameProps(_Matrix=1), module, num_streams=2, device="cpu", engine=engine)
    clip.set_output()
    futures = [clip.get_frame_async(n) for n in range(6)]
    clip.get_frame(0).close()
    if patient:
        for future in futures:
            future.result().close()


def close_early(previewer):
    """Ask for many slow frames of two slots, close the script at once, and count the frames that were made."""
    made, both_run = [], threading.Barrier(3)

    def be_slow(frame):
        made.append(frame)
        both_run.wait(20)
        time.sleep(0.5)

    slots = importlib.import_module("vsfdat.engine.slots")
    build, slots.build = slots.build, lambda module, **_: lambda: Enlarger(before=be_slow)
    environment = previewer.api.create_environment()
    previewer.set_environment(environment)
    vs.core.num_threads = 8
    source = vs.core.std.BlankClip(format=vs.RGBS, width=16, height=8, length=100)
    clip = vsfdat.upscale(source, padded_network(), num_streams=2, device="cpu", dedup=None)
    clip.set_output()
    futures = [clip.get_frame_async(n) for n in range(12)]
    both_run.wait(20)
    previewer.api.destroy_environment(environment)
    previewer.set_environment(None)
    slots.build = build
    refused = [future for future in futures if "the clip was freed before" in str(future.exception())]
    assert (len(made), len(refused)) == (2, 10)


def count_tensors():
    return sum(type(thing) is torch.Tensor or type(thing) is torch.nn.Parameter for thing in gc.get_objects())


def resident_megabytes():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 >> 20


def main():
    importlib.import_module("spandrel")  # pulls in torch.compile, which sets a variable and a filter of its own
    before = switches()
    importlib.import_module("vsfdat.plugin")
    module, previewer = padded_network(), Previewer()
    vs.register_policy(previewer)
    gc.collect()
    gc.freeze()  # what the imports brought stays, and need not be counted each time
    for number in range(20):
        environment = previewer.api.create_environment()
        previewer.set_environment(environment)
        load(module, patient=number % 2 == 0, engine=("exact", "reference")[number // 2 % 2])
        previewer.api.destroy_environment(environment)
        previewer.set_environment(None)
        gc.collect()
        print(threading.active_count(), count_tensors(), len(gc.get_objects()), resident_megabytes())
    gc.unfreeze()
    close_early(previewer)
    assert switches() == before


if __name__ == "__main__":
    main()
