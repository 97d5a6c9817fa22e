"""The programs the lab is made of, made once and kept in the cache: official downloads, else packages.

`Toolchain(paths, steps).ensure()` makes everything present; `env()` puts it on a process's path.
"""

from __future__ import annotations

from infra.lab.toolchain.toolchain import PartInfo, Toolchain

__all__ = ["PartInfo", "Toolchain"]
