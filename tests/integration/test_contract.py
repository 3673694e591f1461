"""The gateway does what `/openapi.json` says: schemathesis asks it everything, before a whole control plane."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import schemathesis
from cloud import Cloud, cloud_beside
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

FILE = Path(__file__).parents[2] / "api" / "openapi.json"
DOCUMENT = json.loads(FILE.read_text())
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 3
"""Random requests of an operation, besides those that try each border of its schema, about fifty."""
QUICK = ["vpcs.create", "vpcs.list", "vpcs.update", "trail.audit", "tokens.who_am_i"]
quick = schemathesis.openapi.from_dict(DOCUMENT).include(operation_id=QUICK)
brief = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    with cloud_beside(tmp_path_factory.mktemp("cloud")) as made:
        yield made


@pytest.fixture(scope="module")
def session(cloud: Cloud) -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.headers["authorization"] = f"Bearer {cloud.token}"
        made.trust_env = False
        yield made


@quick.parametrize()
@brief
def test_answers_are_as_documented(case: schemathesis.Case, cloud: Cloud, session: requests.Session) -> None:
    case.validate_response(case.call(base_url=cloud.url, session=session, verify=str(cloud.ca)), checks=CHECKS)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("who", "phases"), [("token", "examples,coverage,fuzzing"), ("tenant", "fuzzing")])
def test_every_answer_is_as_documented(cloud: Cloud, tmp_path: Path, who: str, phases: str) -> None:
    # Nearly all that a tenant asks is refused, and a refusal waits a quarter of a second for a newer policy.
    checks = ",".join(check.__name__ for check in CHECKS)
    ran = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "schemathesis"), "run", str(FILE), "--url", cloud.url),
            *("--checks", checks, "--phases", phases, "--max-examples", str(EXAMPLES)),
            *("--exclude-path-regex", ":(watch|console)$", "--tls-verify", str(cloud.ca)),
            *("--header", f"Authorization: Bearer {getattr(cloud, who)}", "--generation-deterministic"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-20_000:] + ran.stderr
