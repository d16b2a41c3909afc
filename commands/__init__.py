"""Commands of `edgesim`, which cli.py puts together: each parses, calls, prints."""
