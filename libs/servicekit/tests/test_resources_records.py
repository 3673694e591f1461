"""Between a kind's message and the stored record."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from nested_kind import THING, Spec, Thing

from ultracloud.api.resource.v1 import resource_pb2 as pb
from ultracloud.servicekit.resources import records

TEXT = st.text(max_size=300)
METADATA = st.builds(
    pb.Metadata, id=TEXT, name=TEXT, generation=st.integers(0, 2**40), labels=st.dictionaries(TEXT, TEXT, max_size=3)
)
SPECS = st.builds(lambda plain, inner: Spec(plain=plain, inner=inner), TEXT, st.none() | st.just({"a": "x"}))


@given(METADATA, SPECS, TEXT, st.lists(TEXT, max_size=3), st.integers(1, 2**62))
def test_what_is_stored_is_read_back(
    metadata: pb.Metadata, spec: Any, said: str, claims: list[str], version: int
) -> None:
    thing = Thing(metadata=metadata, spec=spec, status={"said": said})
    stored = records.parse(THING, records.render(THING, thing, claims, {}), version)
    assert stored.metadata.etag == f"{version:x}"
    assert (stored.version, list(stored.claims)) == (version, claims)
    thing.metadata.etag = stored.metadata.etag
    assert stored.message == thing


def test_an_empty_spec_and_status_are_there() -> None:
    message = records.parse(THING, records.render(THING, Thing(), [], {}), 7).message
    assert message.HasField("spec")
    assert message.HasField("status")
