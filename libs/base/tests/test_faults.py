import pytest

from ultracloud.base.faults import FAULT_OF_CODE, PUBLIC_LENGTH_MAX, Fault, InvalidArgumentError, NotFoundError


def test_every_code_of_google_rpc_has_one_fault():
    names = {code: fault.code_name for code, fault in FAULT_OF_CODE.items()}
    assert sorted(FAULT_OF_CODE) == list(range(1, 17))
    assert len(set(names.values())) == 16
    assert (names[3], names[5], names[16]) == ("INVALID_ARGUMENT", "NOT_FOUND", "UNAUTHENTICATED")


@pytest.mark.parametrize("fault", FAULT_OF_CODE.values(), ids=lambda fault: fault.__name__)
def test_every_fault_is_a_fault_and_ends_in_error(fault: type[Fault]):
    assert issubclass(fault, Fault)
    assert fault.__name__.endswith("Error")
    assert FAULT_OF_CODE[fault.code] is fault


def test_a_log_line_has_the_detail_and_the_public_sentence_has_not():
    fault = NotFoundError("no VM 'web'", detail="key r/vm/web at version 7")
    assert str(fault) == "no VM 'web' [key r/vm/web at version 7]"
    assert fault.public == "no VM 'web'"


def test_without_detail_a_log_line_is_the_public_sentence():
    assert str(NotFoundError("no VM 'web'")) == "no VM 'web'"


def test_a_public_sentence_is_cut_to_what_a_header_carries():
    assert len(InvalidArgumentError("x" * 10_000).public) == PUBLIC_LENGTH_MAX


def test_metadata_is_a_copy():
    given = {"field": "cidr"}
    fault = InvalidArgumentError("wrong", metadata=given)
    given["field"] = "name"
    assert fault.metadata == {"field": "cidr"}
