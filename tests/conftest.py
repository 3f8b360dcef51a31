"""Settings of the test run."""

import os

from hypothesis import settings

# Pictures in tests are small: several threads would wait for each other longer than they work, many times longer where
# other programs have the cores. It must be said before torch is imported, and subprocesses hear it too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A machine that others use too is no fault of the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
