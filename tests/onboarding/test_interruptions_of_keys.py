"""Runs that end while a key is made, or while the data key is on its way: never a second key, never a lost one.

Touches clinics of its own. The moment of each end is a call that arrived and is held up, never a time.
"""

from __future__ import annotations

import pytest

from tests.onboarding.clinic import ESCROW, Clinic, until
from tests.onboarding.convergence import converges


@pytest.mark.thorough
@pytest.mark.parametrize("made", ["by AWS, and nobody hears of it", "never"])
def test_a_run_killed_while_it_asks_for_both_keys_converges(clinic: Clinic, made: str):
    seconds = 600 if made == "never" else 60
    clinic.fault(service="kms", operation="CreateKey", kind="hang", times=2, seconds=seconds)
    running = clinic.start("vercel")
    until(lambda: clinic.calls()["kms:CreateKey"] == 2, running, what="the requests for the PHI key and the logs' key")
    running.kill_tree()
    assert clinic.all_keys() == []
    if made == "never":
        converges(clinic)
        return
    clinic.no_more_faults()
    until(lambda: clinic.keys() and clinic.log_keys(), what="the keys that nobody heard of")
    before = sorted(clinic.all_keys())
    converges(clinic, key=clinic.keys()[0])
    assert sorted(clinic.all_keys()) == before


@pytest.mark.thorough
def test_a_wizard_killed_alone_leaves_the_engine_at_work_and_the_next_run_converges(clinic: Clinic):
    clinic.fault(service="cloudtrail", operation="CreateTrail", kind="hang")
    running = clinic.start("vercel")
    until(lambda: clinic.calls()["cloudtrail:CreateTrail"], running, what="the trail's creation")
    running.kill_alone()
    # The engine may go on or stumble over its closed output; nobody needs to care.
    clinic.no_more_faults()
    converges(clinic)


@pytest.mark.parametrize("moment", ["before the escrow", pytest.param("before the push", marks=pytest.mark.thorough)])
def test_a_run_killed_on_the_data_keys_way_converges(clinic: Clinic, moment: str):
    if moment == "before the escrow":
        # The data key was made and is in nobody's hands but the dead run's.
        clinic.fault(service="ssm", operation="PutParameter", kind="hang", seconds=600)
    else:
        clinic.vercel_fault(kind="timeout", method="POST", path="/env", seconds=600)
    running = clinic.start("vercel")
    if moment == "before the escrow":
        until(lambda: clinic.calls()["ssm:PutParameter"], running, what="PutParameter")
    else:
        until(lambda: any("POST" in call for call in clinic.changes()), running, what="the push")
    running.kill_tree()
    escrowed = clinic.parameters().get(ESCROW)
    assert (escrowed is None) == (moment == "before the escrow") and clinic.variables() == {}
    converges(clinic, key=clinic.keys()[0], escrowed=escrowed)
