import pytest
from conversation import check_conversation
from core.stores import StoreSpeaker


@pytest.mark.parametrize("name", ["store", "compaction", "txn", "leases", "checkpoints", "alarms", "stricter"])
def test_the_store_answers_as_the_golden_conversation_says(name: str) -> None:
    check_conversation(name, StoreSpeaker().say)
