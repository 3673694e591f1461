"""Files that people give and texts that they get: YAML or JSON. The YAML library is imported where it is needed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ultracloud.cli.core.failures import NOT_FOUND, Failure, UsageFailure
from ultracloud.cli.core.trees import Json
from ultracloud.cli.shell.files import read_bounded

DOCUMENT_BYTES_MAX = 4 << 20
"""A request is at most as large as the gateway takes."""
DOCUMENTS_MAX = 1000
ALIASES_MAX = 50
"""YAML's anchors can make a small file enormous."""


def read_text(source: str) -> str:
    """The content of a file, or of stdin for `-`.

    Raises:
        Failure: It cannot be read, is too large, or is no UTF-8.
    """
    if source == "-":
        content = sys.stdin.buffer.read(DOCUMENT_BYTES_MAX + 1)
        if len(content) > DOCUMENT_BYTES_MAX:
            raise UsageFailure(f"stdin has more than {DOCUMENT_BYTES_MAX} bytes, which are accepted")
    else:
        path = Path(source).expanduser()
        if not path.is_file() and not path.is_fifo():
            raise Failure(f"there is no file {source}", exit_code=NOT_FOUND if not path.exists() else None)
        content = read_bounded(path, DOCUMENT_BYTES_MAX)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UsageFailure(f"{source} is no UTF-8 text (byte {error.start})") from error


def read_documents(source: str) -> list[Json]:
    """The documents of a file: JSON, or YAML with `---` between.

    Raises:
        UsageFailure: It is neither, or has none.
    """
    text = read_text(source)
    documents = _json(text) if text.lstrip()[:1] in ("{", "[") else None
    if documents is None:
        documents = _yaml(text, source)
    made: list[Json] = [
        one for document in documents for one in (document if isinstance(document, list) else [document])
    ]
    found: list[Json] = [document for document in made if document is not None]
    if not found:
        raise UsageFailure(f"{source} is empty")
    return found


def read_one(source: str) -> Json:
    """The one document of a file."""
    documents = read_documents(source)
    if len(documents) > 1:
        raise UsageFailure(
            f"{source} has {len(documents)} documents; one is accepted here, `uc apply -f` takes several"
        )
    return documents[0]


def to_yaml(document: Json) -> str:
    """As YAML, in the server's order; texts of several lines as blocks."""
    import yaml

    # A class of ours, so that the library's own stays as it is; the same value twice is written twice.
    written = type("Dumper", (yaml.SafeDumper,), {"ignore_aliases": lambda _self, _value: True})

    def text(dumper: Any, value: str) -> Any:
        style = "|" if "\n" in value and value.isprintable() is False and "\t" not in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    written.add_representer(str, text)  # type: ignore[attr-defined]
    made: str = yaml.dump(document, Dumper=written, sort_keys=False, allow_unicode=True, width=120)
    return made


def _json(text: str) -> list[Json] | None:
    try:
        return [json.loads(text)]
    except ValueError:
        return None  # YAML's flow style begins the same way
    except RecursionError as error:
        raise UsageFailure("the file is nested too deeply") from error


def _yaml(text: str, source: str) -> list[Json]:
    import yaml

    if (
        text.count("*") > ALIASES_MAX
        and sum(isinstance(token, yaml.AliasToken) for token in _tokens(text)) > ALIASES_MAX
    ):
        raise UsageFailure(f"{source} has more than {ALIASES_MAX} aliases, which are accepted")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    made: list[Json] = []
    try:
        for document in yaml.load_all(text, Loader=loader):
            if len(made) >= DOCUMENTS_MAX:
                raise UsageFailure(f"{source} has more than {DOCUMENTS_MAX} documents, which are accepted")
            # Dates and sets become what JSON has.
            made.append(json.loads(json.dumps(document, default=str)))
    except yaml.YAMLError as error:
        raise UsageFailure(f"{source} is no YAML: {' '.join(str(error).split())[:300]}") from error
    except (RecursionError, ValueError, TypeError) as error:
        raise UsageFailure(f"{source} holds what JSON cannot: {error}") from error
    return made


def _tokens(text: str) -> list[object]:
    import yaml

    try:
        return list(yaml.scan(text))
    except yaml.YAMLError:
        return []  # the parser says what is wrong
