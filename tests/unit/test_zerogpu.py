"""Functions that may run on a lent GPU."""

from cxr_demo.web import zerogpu


def test_without_zero_gpu_functions_stay_as_they_are():
    def function():
        pass

    assert zerogpu.gpu(seconds=3)(function) is function
    assert zerogpu.FORKS is False
