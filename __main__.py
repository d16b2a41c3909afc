"""`edgesim` and `python -m edgesim`."""

from edgesim import terminal


def main() -> None:
    """Run the command in this process."""
    terminal.take_over()
    try:
        from edgesim.cli import main as edgesim

        edgesim(prog_name="edgesim")
    finally:
        terminal.give_back()


if __name__ == "__main__":
    main()
