"""A plugin for pytest, with which coverage sees the wardens too: `-p selftests.measured`, also of the checks we start.

A warden runs without `site`, which is where coverage begins in a new process.
"""

import sys

from subject import launch

launch.INTERPRETER = (sys.executable,)
