"""What is imported after this computes on one thread: numeric libraries look into the environment when they are loaded.

The server that `workbench.executors` forks processes from imports it first.
"""

import os

from workbench.executors import ONE_THREAD

os.environ.update(ONE_THREAD)
