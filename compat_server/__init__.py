"""Floor 3: the wire. One folder per vendor; no engine is imported here."""

__version__ = "0.1.0"
