"""What decides a benchmark's figures."""

from cxr_demo.evaluation.benchmark.plan import Plan


def test_a_plan_is_the_same_wherever_its_model_lies():
    """So that a run goes on after its folder was moved, or on another machine."""
    settings = {"occlusion": {"window": 32}}
    plan = Plan("runs/boxes@1a2b", settings)
    assert plan.digest == Plan("/elsewhere/boxes@1a2b", settings).digest
    assert plan.digest != Plan("runs/boxes@1a2c", settings).digest
    assert plan.digest != Plan("runs/boxes@1a2b", {"occlusion": {"window": 48}}).digest
