"""Python for Spark's workers, in which one picture is never read: PYSPARK_PYTHON leads here.

    python held_back.py PICTURE PIPE -m pyspark.daemon pyspark.worker

Who opens the picture waits for a writer of the pipe, which never comes: its task cannot end.
"""

from __future__ import annotations

import os
import runpy
import sys
from typing import Any

sys.path.pop(0)  # of the tests
picture, pipe, _, module, *sys.argv[1:] = sys.argv[1:]
opened = os.open


def held_back(path: Any, *arguments: Any, **options: Any) -> int:
    return opened(pipe, os.O_RDONLY) if path == picture else opened(path, *arguments, **options)


os.open = held_back
runpy.run_module(module, run_name="__main__", alter_sys=True)
