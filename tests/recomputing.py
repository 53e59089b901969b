"""Compare every formula of a map with the group that the real constructor built: Python evaluates the formulas."""

from __future__ import annotations

from lrdecay_cli.analysis.explaining.reasons import Explainer
from lrdecay_cli.analysis.selection import select
from lrdecay_cli.domain.explanation import Explanation
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.domain.provenance import Formula


def assert_recomputes(group_map: GroupMap) -> None:
    """Assert that every grouped parameter has a provenance whose formulas give the numbers of its group bit for bit."""
    for group, parameter in group_map.grouped():
        explained = parameter.provenance
        assert explained is not None, parameter.name
        for step, real in (
            (explained.layer_id, group.layer_id),
            (explained.lr_scale, group.lr_scale),
            (explained.lr, group.lr),
            (explained.weight_decay, group.weight_decay),
        ):
            if step is not None:
                assert eval(step.formula, {"__builtins__": {}}) == step.result == real, (parameter.name, step)
                _assert_rule_gives_result(step)
        # Each formula uses the result of the previous one.
        assert explained.lr_scale is None or repr(explained.lr_scale.result) in explained.lr.formula
        assert explained.layer_id is None or f" - {explained.layer_id.result} - " in str(explained.lr_scale)


def _assert_rule_gives_result(step: Formula) -> None:
    # This value was read and not computed.
    if step.basis in ("default", "observed"):
        assert not step.inputs
        assert not step.expression
        return
    assert eval(step.expression, {"__builtins__": {}}, dict(step.inputs)) == step.result, step


def assert_explained(group_map: GroupMap) -> None:
    """Assert that every parameter has an explanation, and that the applied rules match the formulas."""
    chosen = select(group_map, None)
    explanations = Explainer(group_map).explain(chosen)
    names = [name for explanation in explanations for name in explanation.parameters]
    chosen_names = [tensor.name for tensor in chosen]
    # If several optimizers take turns and agree on a parameter, it has one explanation.
    assert {*names} == {*chosen_names}
    assert group_map.optimizer.turns or len(names) == len(chosen_names)
    for explanation in explanations:
        assert explanation.certainty == ("recomputed" if explanation.groups else "observed"), explanation
        if explanation.provenance is not None:
            _assert_decided_by(explanation)


def _assert_decided_by(explanation: Explanation) -> None:
    assert explanation.provenance is not None
    for part in ("lr", "weight_decay"):
        applying = [one.rule for one in explanation.considered if one.outcome == "applies" and part in one.about]
        step = getattr(explanation.provenance, part)
        rule = step.rule
        # The rule contains "custom_keys['norm']" as a whole, but only the name of "norm_decay_mult=0.0". mmaction's
        # Swin constructor multiplies the values of all matching keys.
        assert len(applying) <= 1 or rule.count("paramwise_cfg[") == len(applying)
        assert all(one.partition("=")[0] in rule for one in applying), (applying, rule)
        if not applying:
            assert "custom_keys" not in rule
            assert "_mult" not in rule
            assert not rule.endswith(" -> 0")
            assert step.basis in ("computed", "given", "default")
