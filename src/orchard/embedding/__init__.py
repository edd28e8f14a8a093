"""From listed images to feature rows, and the fingerprint that says which rows may be mixed."""
