"""SCA on C(10): paper C's Algorithm 1 with its three subproblems, and what improves on it."""
