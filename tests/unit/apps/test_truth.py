from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from telemetry.errors import PayloadError
from telemetry.truth import MODES, CarTruth, decode, encode

WHOLE = CarTruth(time=1.7e9, car="car-1", mode=None, failed=False, time_to_failure_s=None, wear=dict.fromkeys(MODES, 0.25))


@given(
    st.sampled_from(MODES),
    st.floats(0.0, 1e7, allow_nan=False),
    st.dictionaries(st.sampled_from(MODES), st.floats(0.0, 1.0)),
)
def test_what_is_encoded_is_decoded(mode: str, left_s: float, wear: dict[str, float]) -> None:
    told = msgspec.structs.replace(WHOLE, mode=mode, time_to_failure_s=left_s, wear=wear)
    assert decode(encode(told)) == told
    assert decode(encode(told) + b"\0") == told


def test_a_whole_car_has_neither_mode_nor_time() -> None:
    assert msgspec.json.decode(encode(WHOLE)) == {
        "time": 1.7e9,
        "car": "car-1",
        "mode": None,
        "failed": False,
        "time_to_failure_s": None,
        "wear": dict.fromkeys(MODES, 0.25),
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"mode": "engine"},
        {"mode": "tyre"},  # and no time
        {"time_to_failure_s": 5.0},  # and no mode
        {"mode": "tyre", "time_to_failure_s": 5.0, "failed": True},
        {"mode": "tyre", "time_to_failure_s": -1.0},
        {"failed": True},
        {"wear": {"tyre": 1.5}},
        {"wear": {"engine": 0.5}},
        {"car": ""},
        {"car": "a b"},
        {"time": "now"},
        {"time": math.inf},
    ],
)
def test_what_cannot_be_true_is_refused_with_a_sentence(wrong: dict[str, object]) -> None:
    fields = msgspec.json.decode(encode(WHOLE)) | wrong
    with pytest.raises(PayloadError, match="no car's truth: "):
        decode(msgspec.json.encode(fields))


@pytest.mark.parametrize("payload", [b"", b"{}", b"[1]", b"\xff", b"{" * 5000])
def test_what_is_no_truth_is_refused(payload: bytes) -> None:
    with pytest.raises(PayloadError):
        decode(payload)
