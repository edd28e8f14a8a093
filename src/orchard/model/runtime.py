"""ONNX Runtime, imported so that it keeps nothing below HOME and tells nobody of its use.

Newer versions make an identifier and a database in `~/.cache/Microsoft` when they are imported, and
warn where they cannot, as in another user's HOME. The variable is read by the import alone and is
put back after it. Where the caller has imported it before, its settings are theirs.
"""

from __future__ import annotations

import os

_VARIABLE = "ORT_DISABLE_TELEMETRY"

_before = os.environ.get(_VARIABLE)
os.environ[_VARIABLE] = "1"
try:
    import onnxruntime
finally:
    if _before is None:
        del os.environ[_VARIABLE]
    else:
        os.environ[_VARIABLE] = _before

__all__ = ["onnxruntime"]
