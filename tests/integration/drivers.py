"""Three clients of others than us that each do the same to a network: curl, the command line, and a generated client.

The generated one is made of `/openapi.json`, as a user's would be, by openapi-python-client. Each gives what it was
answered as an object, or raises `Refused` with the HTTP status that it saw or stands for.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import ssl
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from cloud import Cloud

BIN = Path(sys.executable).parent
PROJECT = "web"
CODES = {3: 404, 4: 403, 5: 409}
"""Exit codes of the command line."""
PACKAGE = "generated_client"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT")


class Refused(Exception):  # noqa: N818 - an answer, not a defect
    """What was asked was refused; the arguments are status and sentence."""


class Driver(Protocol):
    """A client."""

    def create(self, name: str, cidr: str) -> Any:
        """Make a network."""

    def get(self, name: str) -> Any:
        """Read one."""

    def list(self) -> Any:
        """Read all, by name."""

    def update(self, name: str, *, nat: bool, tier: str) -> Any:
        """Change a field and a label of one."""

    def delete(self, name: str) -> Any:
        """Delete one."""


class Curl:
    """curl."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def create(self, name: str, cidr: str) -> Any:
        return self._ask("", "-d", json.dumps({"name": name, "spec": {"cidr": cidr}}))

    def get(self, name: str) -> Any:
        return self._ask(f"/{name}")

    def list(self) -> Any:
        return by_name(self._ask("")["items"])

    def update(self, name: str, *, nat: bool, tier: str) -> Any:
        change = {"spec": {"egress_nat": nat}, "labels": {"tier": tier}}
        return self._ask(f"/{name}", "-X", "PATCH", "-d", json.dumps(change))

    def delete(self, name: str) -> Any:
        return self._ask(f"/{name}", "-X", "DELETE")

    def _ask(self, path: str, *options: str) -> Any:
        body = ["-H", "Content-Type: application/json"] if "-d" in options else []
        who = ["--cacert", str(self._cloud.ca), "-H", f"Authorization: Bearer {self._cloud.token}"]
        url = f"{self._cloud.url}/v1/projects/{PROJECT}/vpcs{path}"
        ran = run(["curl", "-sS", "--noproxy", "*", "-w", "\n%{http_code}", *who, *body, *options, url])
        said, _, status = ran.stdout.rpartition("\n")
        if int(status) >= 400:
            raise Refused(int(status), json.loads(said)["detail"])
        return json.loads(said)


class CommandLine:
    """`uc`, which also says of which kind each resource is, so that its output can be given to it as a file."""

    def __init__(self, cloud: Cloud, home: Path) -> None:
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("ULTRACLOUD_")},
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home),
            "ULTRACLOUD_SERVER": cloud.url,
            "ULTRACLOUD_CA": str(cloud.ca),
            "ULTRACLOUD_TOKEN": cloud.token,
            "ULTRACLOUD_PROJECT": PROJECT,
            "ULTRACLOUD_OUTPUT": "json",
        }

    def create(self, name: str, cidr: str) -> Any:
        return unkind(self._ask("create", name, "--cidr", cidr))

    def get(self, name: str) -> Any:
        return unkind(self._ask("get", name))

    def list(self) -> Any:
        found = self._ask("list")
        return by_name([unkind(each) for each in (found["items"] if isinstance(found, dict) else found)])

    def update(self, name: str, *, nat: bool, tier: str) -> Any:
        flag = "--egress-nat" if nat else "--no-egress-nat"
        return unkind(self._ask("update", name, flag, "--label", f"tier={tier}"))

    def delete(self, name: str) -> Any:
        return unkind(self._ask("delete", name))

    def _ask(self, verb: str, *arguments: str) -> Any:
        ran = run([str(BIN / "uc"), "vpc", verb, *arguments], self._environment)
        if ran.returncode:
            raise Refused(CODES.get(ran.returncode, 500), ran.stderr.splitlines()[0].removeprefix("error: "))
        return json.loads(ran.stdout)


class Generated:
    """A client that openapi-python-client made."""

    def __init__(self, cloud: Cloud, folder: Path, document: Path) -> None:
        generate(folder, document)
        self.folder = folder / PACKAGE
        client = self._module("client")
        trust = ssl.create_default_context(cafile=str(cloud.ca))
        self._client = client.AuthenticatedClient(
            cloud.url, token=cloud.token, verify_ssl=trust, httpx_args={"trust_env": False}
        )

    def create(self, name: str, cidr: str) -> Any:
        spec = self._module("models").VpcSpec(cidr=cidr)
        return self._call("create", body=self._module("models").VpcsCreateBody(name=name, spec=spec))

    def get(self, name: str) -> Any:
        return self._call("get", name)

    def list(self) -> Any:
        return by_name(self._call("list")["items"])

    def update(self, name: str, *, nat: bool, tier: str) -> Any:
        change = {"spec": {"egress_nat": nat}, "labels": {"tier": tier}}
        return self._call("update", name, body=self._module("models").VpcsUpdateJsonBody.from_dict(change))

    def delete(self, name: str) -> Any:
        return self._call("delete", name)

    def close(self) -> None:
        """End its connections."""
        self._client.get_httpx_client().close()

    def _call(self, verb: str, *path: str, **arguments: Any) -> Any:
        operation = self._module(f"api.vpcs.vpcs_{verb}")
        answer = operation.sync_detailed(PROJECT, *path, client=self._client, **arguments)
        said = answer.parsed.to_dict()
        if answer.status_code >= 400:
            raise Refused(int(answer.status_code), said["detail"])
        answered = json.loads(answer.content)
        # What the client gives its user is what it understood; nothing may be lost on the way.
        assert same_times(said) == same_times(answered)
        return answered

    def _module(self, name: str) -> Any:
        return importlib.import_module(f"{PACKAGE}.{name}")


def generate(folder: Path, document: Path) -> None:
    """Make a client of a document, and import it."""
    (folder / "settings.yaml").write_text("post_hooks: []\n")
    options = ["--meta", "none", "--config", str(folder / "settings.yaml"), "--output-path", str(folder / PACKAGE)]
    ran = run([str(BIN / "openapi-python-client"), "generate", "--path", str(document), *options])
    assert ran.returncode == 0, ran.stdout + ran.stderr
    sys.path.insert(0, str(folder))
    try:
        importlib.import_module(PACKAGE)
    finally:
        sys.path.remove(str(folder))


def same_times(value: Any) -> Any:
    """JSON whose times are all written in one way; RFC 3339 has several for each."""
    match value:
        case dict():
            return {name: same_times(each) for name, each in value.items()}
        case list():
            return [same_times(each) for each in value]
        case str() if _TIME.match(value):
            return datetime.fromisoformat(value).isoformat()
        case _:
            return value


def unkind(resource: Any) -> Any:
    """A resource as the API has it."""
    return {name: value for name, value in resource.items() if (name, value) != ("kind", "Vpc")}


def by_name(items: list[Any]) -> dict[str, Any]:
    """Resources by their names."""
    return {item["metadata"]["name"]: item for item in items}


def run(command: list[str], environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
