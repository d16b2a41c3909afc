"""The `edgesim` command."""

import click


@click.group()
@click.version_option(package_name="edgesim")
def main() -> None:
    """Simulate edge networks that are managed through digital twins."""
