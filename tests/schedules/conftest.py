"""The bench of the runs' tests: a deployment over lists, and a worker that works its runs without a broker."""

from tests.runs.conftest import bench, connector, make_bench, outside, workspace

__all__ = ["bench", "connector", "make_bench", "outside", "workspace"]
