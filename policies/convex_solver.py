"""Convex and mixed-integer programs that are built once with CVXPY and solved many times."""

import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ..simulator.core.arrays import FloatArray

if TYPE_CHECKING:
    import cvxpy as cp

ACCURACY = 1e-7
"""Of the convex solver. It cannot always reach its default, 1e-8, where optima are flat."""


class Parameters(SimpleNamespace):
    """The parameters of problems in N devices, none negative, by name.

    Args:
        devices: N.
        columns: names of those that are (N,), with spaces between them.
        matrices: of those that are (N, N).
    """

    def __init__(self, devices: int, columns: str, matrices: str = "") -> None:
        import cvxpy as cp

        shapes = dict.fromkeys(columns.split(), (devices,)) | dict.fromkeys(
            matrices.split(), (devices, devices)
        )
        super().__init__(**{n: cp.Parameter(shapes[n], n, nonneg=True) for n in shapes})

    def assign(self, **values: FloatArray) -> None:
        """Set some, without CVXPY's checks of shape and sign, which take as long as a solve."""
        for name, value in values.items():
            getattr(self, name).save_value(value)


def solved(
    problem: "cp.Problem", mixed_integer: bool = False, rough: bool = False, refined: bool = True
) -> bool:
    """Solve, and tell whether the solver reached an optimum.

    Args:
        problem: with all its parameters set.
        mixed_integer: it has integer variables.
        rough: an optimum of less than the usual accuracy will do, because it is checked.
        refined: linear systems are solved with iterative refinement, which is a quarter of the time.
    """
    import cvxpy as cp

    # SciPy's copy of HiGHS: highspy, which cvxpy.HIGHS uses, writes a banner to the standard output.
    settings: dict[str, Any] = {"solver": cp.SCIPY}
    if not mixed_integer:
        settings = {
            "solver": cp.CLARABEL,
            "tol_feas": ACCURACY,
            "tol_gap_abs": ACCURACY,
            "tol_gap_rel": ACCURACY,
            "iterative_refinement_enable": refined,
        }
    # What cvxpy warns of is in the status, which is looked at.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            # A warm start would make the answer depend on what was solved before.
            problem.solve(warm_start=False, **settings)
        except cp.SolverError:
            return False
    return problem.status in ((cp.OPTIMAL, cp.OPTIMAL_INACCURATE) if rough else (cp.OPTIMAL,))
