"""The script that a clip belongs to, which may be closed while the process lives on."""

import weakref
from collections.abc import Callable
from typing import Any

import vapoursynth as vs

from vsfdat.pipeline import Pipeline


def is_script_over() -> Callable[[], bool]:
    """Make what tells whether this script is being closed, from any thread.

    VapourSynth waits for all frames that were asked for before it calls what is registered on destroy, and refuses to
    register more in the meantime.
    """
    environment = vs.get_current_environment()

    def nothing() -> None: ...

    def is_over() -> bool:
        try:
            with environment.use():
                vs.register_on_destroy(nothing)
                vs.unregister_on_destroy(nothing)
        except (ValueError, RuntimeError):  # being destroyed, or destroyed already
            return True
        return False

    return is_over


def close_with_core(pipeline: Pipeline[..., Any]) -> None:
    """Free threads and device memory before VapourSynth frees the script; a previewer's process lives on.

    Weakly, because a clip that its script drops should not wait for that.
    """
    alive = weakref.ref(pipeline)

    def close() -> None:
        if (pipeline := alive()) is not None:
            pipeline.close()

    vs.register_on_destroy(close)
