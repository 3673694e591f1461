"""Names of what there is, for completion: asked for with a short patience and remembered for a moment.

A shell asks at every press of the tab key, so the answer comes from the cache within CACHE_S, and no error is ever
printed: completion without names is better than a broken line.
"""

from __future__ import annotations

import hashlib
import json
import time

import click

from ultracloud.cli.core.failures import Failure
from ultracloud.cli.core.requests import make, places_of
from ultracloud.cli.core.trees import text_at
from ultracloud.cli.shell import index
from ultracloud.cli.shell.app import App
from ultracloud.cli.shell.files import read_bounded, write_private
from ultracloud.cli.shell.places import cache_folder

CACHE_S = 10.0
PATIENCE_S = 1.5
NAMES_MAX = 500
CACHE_BYTES_MAX = 256 << 10


def live_names(ctx: click.Context, kind: str, incomplete: str) -> list[str]:
    """Names of a kind that begin with what was typed."""
    app = ctx.ensure_object(App)
    app.flags.update({"quiet": True, "request_timeout": PATIENCE_S})
    for unwanted in ("debug", "curl", "dry_run"):
        app.flags.pop(unwanted, None)
    try:
        return [name for name in _names(app, kind) if name.startswith(incomplete)]
    except Failure:
        return []


def _names(app: App, kind: str) -> list[str]:
    noun = index.noun(kind)
    operation = noun.operations.get("list")
    if operation is None:
        return []
    target = app.target
    at_root = bool(operation.root_path) and not target.org
    path = operation.root_path if at_root else operation.path
    filled = {"project": target.project, "organisation": target.org}
    if any(not filled.get(place) for place in places_of(path)):
        return []
    request = make(operation, filled, at_root=at_root)
    key = hashlib.sha256(f"{target.name}\n{target.server}\n{request.path}".encode()).hexdigest()[:32]
    path_of_cache = cache_folder() / "names" / key
    try:
        if time.time() - path_of_cache.stat().st_mtime < CACHE_S:
            kept = json.loads(read_bounded(path_of_cache, CACHE_BYTES_MAX))
            return [str(name) for name in kept]
    except (OSError, ValueError):
        pass  # nothing usable is kept
    names = [text_at(item, "metadata", "name") for item in app.client.all(request, NAMES_MAX)]
    write_private(path_of_cache, json.dumps(names).encode())
    return names
