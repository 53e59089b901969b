"""``suggest`` over the zoos: each reported mistake is a finding of ``check``, and no suggestion adds a finding."""

from __future__ import annotations

import pytest

from lrdecay_cli.app.requests.sources import Request
from lrdecay_cli.app.requests.suggesting import JUDGED, build_suggestion, proposal_for
from lrdecay_cli.checking.embedded_findings import findings_among
from lrdecay_cli.domain.errors import LrdecayError
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.rules import RULES
from lrdecay_cli.rules.running import findings_of
from tests.openmmlab.zoo import spread, statuses

STEP = 60
# Every decay has this finding: mmengine logs only the lr of the first group, which then is that of the stem.
OF_EVERY_DECAY = {"LRD309"}
# mmpretrain's own get_layer_depth gives MixMIM's last block the layer id of the head; MFF fuses its blocks with weights
# that mmpretrain trains with the head.
UPSTREAM = {"mixmim/": {"LRD205"}, "mff/": {"LRD201"}}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "config" in metafunc.fixturenames:
        built = [row for row in statuses() if row.status == "ok"]
        chosen = built if metafunc.config.getoption("--whole-zoo") else spread(built, STEP)
        metafunc.parametrize("config", [row.config for row in chosen])


def test_suggest_and_check_agree(config: str) -> None:
    try:
        device = "meta"
        before = audit(config, device=device)
    except LrdecayError:
        device = "cpu"
        before = audit(config)
    try:
        proposal, findings = proposal_for(before, "")
    except LrdecayError:
        return  # Nothing to decay.
    checked = findings_of(before, RULES)
    assert {*proposal.faults} <= {*checked}
    assert {*findings} <= {*checked}
    if proposal.fits:
        return
    request = Request.of(None, device, verbose=False, exact=False, no_cache=True)
    try:
        suggested = build_suggestion(config, before, proposal, findings, request)
    except LrdecayError:
        return  # An unknown backbone.
    assert suggested.left == findings_among(suggested.after, JUDGED)
    new = {finding.code for finding in suggested.left} - {finding.code for finding in checked}
    known = next((codes for folder, codes in UPSTREAM.items() if folder in config), set())
    assert new <= OF_EVERY_DECAY | known
    assert not {finding.code for finding in proposal.faults} & {finding.code for finding in suggested.left}
