"""Distribution of the tests over the processes of `make test`."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

# Its tests start stacks of their own.
OWN_STACKS = "tests/e2e/test_local_run.py"


class SharedStackScheduling(LoadFileScheduling):
    """Runs each file in one process, and the files with the shared stack in the same process.

    A second process would deploy the stack again.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        shares_stack = file.startswith("tests/e2e/") and file != OWN_STACKS
        return "tests/e2e" if shares_stack else file
