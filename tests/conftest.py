"""Settings of the test run."""

import os

# Pictures in tests are small: several threads would wait for each other longer than they work, many times longer where
# other programs have the cores. It must be said before torch is imported, and subprocesses hear it too.
os.environ.setdefault("OMP_NUM_THREADS", "1")
