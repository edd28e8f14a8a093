"""How the embedded backbone is trained; not installed with the package."""
