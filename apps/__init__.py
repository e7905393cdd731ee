"""The command-line applications: `python -m apps.train --help`."""
