"""C(10) in one slot, shared by the policies that solve it; `solver` has the exact optimum."""
