"""Waiting until a resource is where it shall be."""

from __future__ import annotations

import time

from ultracloud.cli.core.api import Noun
from ultracloud.cli.core.conditions import Goal, Gone, failed, reached, standing
from ultracloud.cli.core.failures import Failure, TimeoutFailure
from ultracloud.cli.core.problems import Refusal
from ultracloud.cli.core.requests import Request, make
from ultracloud.cli.core.trees import Json, text_at
from ultracloud.cli.shell.app import App

FIRST_S, PACE_MAX_S = 0.1, 2.0
NOT_FOUND_STATUS = 404
REACHED = {"delete": "deleted", "start": "runs", "stop": "has stopped", "reboot": "runs again"}
"""What a verb has come to once it was waited for."""


def wait_for(app: App, noun: Noun, resource: Json, goal: Goal, timeout_s: float) -> Json:
    """Ask until the goal is reached, and give the resource as it is then.

    Raises:
        TimeoutFailure: It was not reached in time; the sentence says how far it came.
        Failure: It was deleted, or what was waited for has failed.
    """
    name = f"{noun.name}/{text_at(resource, 'metadata', 'name')}"
    request = get_request(app, noun, text_at(resource, "metadata", "id") or text_at(resource, "metadata", "name"))
    ends_at, pace_s = time.monotonic() + timeout_s, FIRST_S
    with app.progress as progress:
        while True:
            if reached(goal, resource):
                return resource
            if isinstance(goal, Gone) and resource is None:
                return resource
            if sentence := failed(resource):
                raise Failure(f"{name}: {sentence}")
            if time.monotonic() >= ends_at:
                raise TimeoutFailure(
                    f"{name} is not as wanted after {timeout_s:.0f} s: {standing(resource)}",
                    hint="it goes on; `uc wait` waits longer",
                )
            progress.say(f"{name}: {standing(resource)}")
            time.sleep(max(0.0, min(pace_s, ends_at - time.monotonic())))
            pace_s = min(PACE_MAX_S, pace_s * 1.5)
            try:
                resource = app.client.call(request)
            except Refusal as refused:
                if refused.status != NOT_FOUND_STATUS:
                    raise
                if isinstance(goal, Gone):
                    return resource
                raise Failure(f"{name} was deleted meanwhile", exit_code=refused.exit_code) from refused


def get_request(app: App, noun: Noun, ref: str) -> Request:
    """The request that reads a resource in the project or organisation that holds."""
    operation = noun.operations["get"]
    at_root = bool(operation.root_path) and not app.chosen.target.org
    places = {"ref": ref}
    if "project" in operation.places:
        places["project"] = app.project
    if "organisation" in operation.places and not at_root:
        places["organisation"] = app.organisation
    return make(operation, places, at_root=at_root)
