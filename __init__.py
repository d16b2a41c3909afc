"""edgesim: keep this file free of imports of the subpackages."""

__version__ = "0.1.0"
