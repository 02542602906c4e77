"""What it costs, before anything is there. Touches a folder of its own."""

from __future__ import annotations

import os

from tests.onboarding.deployment import Deployment


def test_the_cost_is_told_before_there_is_an_account(on_vercel: Deployment) -> None:
    folder = on_vercel.another_folder("nothing-set-up")
    (folder / "Pulumi.production.yaml").unlink()
    away: dict[str, str | None] = dict.fromkeys(
        name for name in on_vercel.environment if name.startswith(("AWS_", "PULUMI_", "VERCEL_"))
    )
    pulumi = folder / "bin" / "pulumi"
    pulumi.parent.mkdir()
    pulumi.write_text(f"#!/bin/sh\ntouch '{folder}/started'\necho v3.259.0\n")
    pulumi.chmod(0o755)
    away["PATH"] = f"{pulumi.parent}{os.pathsep}{on_vercel.environment['PATH']}"
    on_vercel.forget_calls()

    document = on_vercel.wizard("cost", "--json", "--answers", "examples/vercel.yaml", folder=folder, env=away).document

    assert on_vercel.calls() == {} and not (folder / "started").exists(), "somebody was asked"
    assert document["estimate"]["monthly"] == 2.1791
    requests = next(each for each in document["estimate"]["drivers"] if each["driver"] == "requests")
    # Two instances that ask every five minutes, and 8,760 log files; 20,000 are free.
    assert (requests["quantity"], requests["monthly"]) == (17_520 + 8_760, 0.0188)
