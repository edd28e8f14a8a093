"""Archives and tables that hold images: a source like a folder, whose members are its files.

A member's path is that of its container, "!/", and its name: /data/shard-0001.tar!/apple/12.jpg.
Names are only names: nothing is ever unpacked to a disk. Listing reads what tells the members
(headers, a directory, a footer); workers read ranges of neighbouring members (see `reading`).
"""
