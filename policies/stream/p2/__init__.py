"""The solver of P2, A(20): one slot of drift-plus-penalty."""
