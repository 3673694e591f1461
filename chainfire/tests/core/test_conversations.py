from conversation import check_conversation
from core.stores import StoreSpeaker
import pytest


@pytest.mark.parametrize("name", ["store", "compaction", "txn", "leases", "alarms"])
def test_the_store_answers_as_the_golden_conversation_says(name: str) -> None:
    check_conversation(name, StoreSpeaker().say)
