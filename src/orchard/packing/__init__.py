"""Images packed into shards: a few large files, which a bucket stores and serves for far less.

    orchard.pack(orchard.PackConfig(sources=("photos",), output="shards"))
    orchard.run(orchard.RunConfig(sources=("shards",), output="result"))

A shard is a tar in the layout of WebDataset, with an index at its end (see
`orchard.images.containers.shard_index`). The same images make the same shards, byte for byte.
"""

from __future__ import annotations

from orchard.packing.settings import PackConfig
from orchard.packing.writing import Packed, pack

__all__ = ["PackConfig", "Packed", "pack"]
