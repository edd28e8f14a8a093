"""The version, in one place: read by the package, its builds and its pages."""

__version__ = "0.1.0"
