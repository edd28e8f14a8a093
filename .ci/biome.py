"""Lint the JavaScript and check its format with Biome, by the rules of biome.json.

Its wheel is for Linux on x86-64.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

biome = Path(sys.executable).with_name("biome")
if biome.exists():
    sys.exit(subprocess.run([biome, "check", "--error-on-warnings"], check=False).returncode)
print("biome has no wheel for this machine: the JavaScript is not checked here, but in CI")
