"""Rendered fruit: shapes (geometry), skins (colour and relief), foliage, and the table of species.

    species ─▶ shape ─view─▶ surface ─┐
            ─▶ skin ──────────────────┴─light─▶ pixels, foliage drawn under and over them

Nothing here reads or writes files; `orchard.samples.turntable` is the face of it.
"""
