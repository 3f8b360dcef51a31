"""Settings of the test run."""

import gc
import os

from hypothesis import settings

# Pictures in tests are small: several threads would wait for each other longer than they work, many times longer where
# other programs have the cores. It must be said before torch is imported, and subprocesses hear it too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A machine that others use too is no fault of the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


def pytest_collection_finish() -> None:
    """Leave what imports made out of all later garbage collections: a quarter of a second for each `clip.frames()`."""
    gc.freeze()
