"""The solver of C(10): the least worst-case emission of one slot."""
