"""Pictures to try Orchard with: rendered fruit, and Fruits-360."""
