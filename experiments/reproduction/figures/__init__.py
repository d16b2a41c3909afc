"""The figures of both papers, and those that the papers did not draw: one file each."""
