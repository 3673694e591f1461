import os

import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from iam.core.totp import (
    RECOVERY_CODES,
    STEP_S,
    matched_step,
    plain_recovery_code,
    recovery_codes,
    recovery_entropy_bytes,
    totp_uri,
)

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # RFC 6238, appendix B
NOW_S = 1_111_111_109


def test_the_codes_are_those_of_the_rfc():
    assert matched_step(SECRET, "081804", NOW_S, 0) == NOW_S // STEP_S


@given(st.integers(60, 2**33))
def test_a_code_of_the_step_before_or_after_is_taken_and_no_other(now_s: int):
    step = now_s // STEP_S
    for other in range(-3, 4):
        code = pyotp.HOTP(SECRET).at(max(0, step + other))
        found = matched_step(SECRET, code, now_s, -1)
        assert found is None or abs(found - step) <= 1
        if abs(other) <= 1 and step + other >= 0 and step > 0:
            assert found is not None


def test_a_code_is_good_once_and_so_is_every_earlier_one():
    step = NOW_S // STEP_S
    code, before = pyotp.HOTP(SECRET).at(step), pyotp.HOTP(SECRET).at(step - 1)
    assert matched_step(SECRET, code, NOW_S, step - 1) == step
    assert matched_step(SECRET, code, NOW_S, step) is None
    assert matched_step(SECRET, before, NOW_S, step) is None


@pytest.mark.parametrize("code", ["", "81804", "0818040", "08180a", "٠٨١٨٠٤", "-81804"])
def test_what_is_no_code_is_refused(code: str):
    assert matched_step(SECRET, code, NOW_S, 0) is None


def test_people_type_spaces():
    assert matched_step(SECRET, " 081 804 ", NOW_S, 0) == NOW_S // STEP_S


def test_recovery_codes_differ_and_are_read_however_they_are_typed():
    codes = recovery_codes(os.urandom(recovery_entropy_bytes()))
    assert len(set(codes)) == RECOVERY_CODES
    assert all(len(code) == 19 for code in codes)
    assert plain_recovery_code(codes[0].upper().replace("-", " ")) == plain_recovery_code(codes[0])


def test_a_phone_reads_the_uri():
    assert totp_uri(SECRET, "bob@acme", "UltraCloud").startswith("otpauth://totp/UltraCloud:bob%40acme?secret=GEZD")
