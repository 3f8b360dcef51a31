"""These run in a process of their own, with Triton's interpreter switched on before Triton is imported.

`tests/ops/test_triton.py` starts it; within an ordinary test run there is nothing here to collect.
"""

import os

collect_ignore_glob = [] if os.environ.get("TRITON_INTERPRET") == "1" else ["test_*.py"]
