"""The command line: parse, build settings, call `runs`, print."""

__all__ = []
