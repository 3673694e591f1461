"""The FastAPI program of `bench/gateway.py`. Its annotations are read while it runs, so they are no text here."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel

from ultracloud.servicekit.testing import BLUE


class Metadata(BaseModel):
    """As in the proto."""

    id: str
    name: str
    project: str
    labels: dict[str, str]
    generation: int
    etag: str
    created_at: str
    updated_at: str
    finalizers: list[str]
    owners: list[str]


class Spec(BaseModel):
    """As in the proto."""

    cidr: str
    egress_nat: bool


class Status(BaseModel):
    """As in the proto."""

    conditions: list[str] = []
    vni: int = 0


class Vpc(BaseModel):
    """As in the proto."""

    metadata: Metadata
    spec: Spec
    status: Status


class Page(BaseModel):
    """As in the proto."""

    items: list[Vpc]
    next_page_token: str
    version: str


def make(found: dict[str, dict[str, Any]], allow: Callable[[str], bool]) -> FastAPI:
    """The program, with response models as its documentation has it."""
    vpcs = {name: Vpc(**{"status": {}, **vpc}) for name, vpc in found.items()}
    app = FastAPI()

    def check(project: str, authorization: str) -> None:
        if not allow(authorization) or project != BLUE.name:
            raise HTTPException(403)

    @app.get("/v1/projects/{project}/vpcs/{ref}")
    async def get(project: str, ref: str, authorization: Annotated[str, Header()]) -> Vpc:
        check(project, authorization)
        return vpcs[ref]

    @app.get("/v1/projects/{project}/vpcs")
    async def listed(project: str, authorization: Annotated[str, Header()], page_size: int = 100) -> Page:
        check(project, authorization)
        return Page(items=list(vpcs.values())[:page_size], next_page_token="", version="1")

    return app
