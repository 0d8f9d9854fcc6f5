"""The bench of the runs' tests, for what policies do to runs."""

from tests.runs.conftest import bench, connector, make_bench, outside, workspace

__all__ = ["bench", "connector", "make_bench", "outside", "workspace"]
