"""After `up`: a lab is looked at until it is green, and not given up at the first look."""

from __future__ import annotations

import pytest

from infra.lab import doctor
from infra.lab.lab import Lab
from infra.lab.outside import Check


@pytest.mark.parametrize("green_at", [1, 3, 9])
def test_a_machine_on_which_one_look_takes_all_the_time_gets_three(monkeypatch: pytest.MonkeyPatch, green_at: int) -> None:
    looks = 0

    def examine(_: object) -> doctor.Diagnosis:
        nonlocal looks
        looks += 1
        return doctor.Diagnosis((), (Check("kafka", ok=looks >= green_at, why=None),), note="no canary")

    monkeypatch.setattr(doctor, "examine", examine)
    monkeypatch.setattr(doctor, "SETTLE_S", -1)
    monkeypatch.setattr(doctor, "AGAIN_AFTER_S", 0)
    found = doctor.settle(Lab("s"))
    assert looks == min(green_at, 3)
    assert found.red == ([] if green_at <= 3 else ["kafka"])
