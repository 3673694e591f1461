from __future__ import annotations

import pytest
from checks.stories import call, got, kv

from ultracloud.testkit.checks import BrokenPromiseError, History, check_keys
from ultracloud.testkit.checks.history import Compare, Delete, Deleted, Get, Put, Txn, TxnDone, Wrote

SWAP = Txn((Compare("a", "value", "=", "one"),), (Put("a", "two"),), ())
MAKE = Txn((Compare("a", "version", "=", 0),), (Put("a", "made"),), ())
PUT = call(1, 0, 10, Put("a", "one"), Wrote(0))
READ_TWO = call(3, 40, 50, Get("a"), got(0, kv("a", "two", 0)))
READ_ONE = call(4, 60, 70, Get("a"), got(0, kv("a", "one", 0)))

RIGHT = {
    "a swap": (PUT, call(2, 20, 30, SWAP, TxnDone(0, True, (Wrote(0),))), READ_TWO),
    "a lost swap": (PUT, call(2, 20, None, SWAP), READ_TWO),
    "a lost swap that comes late": (PUT, call(2, 20, None, SWAP), call(5, 32, 35, Get("a"), READ_ONE.result), READ_TWO),
    "made where nothing was": (call(1, 0, 9, MAKE, TxnDone(0, True, (Wrote(0),))),),
    "a lease that ends": (call(1, 0, 9, Put("a", "one", lease=1), Wrote(0)), call(2, 20, 30, Get("a"), got(0))),
}
WRONG = {
    "a stale read": (PUT, call(2, 20, 30, SWAP, TxnDone(0, True, (Wrote(0),))), READ_TWO, READ_ONE),
    "a swap that saw another value": (PUT, call(2, 20, 30, Put("a", "x"), Wrote(0)), call(3, 40, 50, SWAP), READ_TWO),
    "a swap that should not have failed": (PUT, call(2, 20, 30, SWAP, TxnDone(0, False, ()))),
    "made where something was": (PUT, call(2, 20, 30, MAKE, TxnDone(0, True, (Wrote(0),)))),
    "a deletion that found nothing": (PUT, call(2, 20, 30, Delete("a"), Deleted(0, 0))),
    "a put that saw another value": (PUT, call(2, 20, 30, Put("a", "x", prev_kv=True), Wrote(0))),
}


@pytest.mark.parametrize("name", RIGHT)
def test_an_order_is_found(name: str) -> None:
    check_keys(History(RIGHT[name]))


@pytest.mark.parametrize("name", WRONG)
def test_no_order_is_found(name: str) -> None:
    with pytest.raises(BrokenPromiseError, match="no order explains key 'a'"):
        check_keys(History(WRONG[name]))


def test_the_explanation_names_the_calls_that_do_not_fit() -> None:
    with pytest.raises(BrokenPromiseError, match=r"3 calls fit, then none of: #4 of c4"):
        check_keys(History(WRONG["a stale read"]))
