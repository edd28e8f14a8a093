"""http:// as a SOURCE: of servers that list, which is those of WebDAV; rclone's here."""

from __future__ import annotations

from orchard.images import source


def test_a_webdav_folder_is_listed_and_read(photos, rclone):
    with rclone(photos, server="webdav") as endpoint:
        listing = source.list_images((f"{endpoint}/plum", f"{endpoint}/sweet pepper"))
        names = [f"plum/{n}.png" for n in range(10)] + [f"sweet pepper/{n}.png" for n in range(10)]
        assert listing.images["path"].to_pylist() == [f"{endpoint}/{name}" for name in names]
        assert set(listing.images["label"].to_pylist()) == {"plum", "sweet pepper"}
        expected = [(photos / name).read_bytes() for name in names]
        assert list(source.fetch(listing.images)) == expected
