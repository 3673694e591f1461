"""Paths of the resource tree: (kinds, id) pairs from the root down, and environments, through which they may lead.

``organisations/<id>/projects/<id>/environments/<id>/vms/<id>`` and the same without its third pair are one VM: what is
said of the second holds for the first too, so that nothing said of a VM is lost when it is put in an environment.
"""

from __future__ import annotations

from collections.abc import Iterator

ENVIRONMENT_LABEL = "environment"
"""What has this label lies in the environment of its project that has this name."""
ENVIRONMENTS = "environments"
_ENVIRONMENT_PAIR = f"/{ENVIRONMENTS}/"
_SLASHES_BELOW = 6
"""In a path before what lies in an environment."""


def prefixes(resource: str) -> Iterator[str]:
    """The root, then every ancestor of `resource`, then itself. Only whole (kinds, id) pairs: names never leak.

    Of what lies in an environment, then the same below its project as though it did not.
    """
    yield from _pairs(resource)
    plain = plain_path(resource)
    if plain != resource:
        head = _project_head(resource)
        yield from (above for above in _pairs(plain) if len(above) > len(head))


def plain_path(resource: str) -> str:
    """`resource` as though it lay in no environment; an environment itself stays as it is."""
    if _ENVIRONMENT_PAIR not in resource:
        return resource
    match resource.split("/", _SLASHES_BELOW):
        case ["organisations", organisation, "projects", project, "environments", _, below]:
            return f"organisations/{organisation}/projects/{project}/{below}"
        case _:
            return resource


def may_concern(place: str, resource: str) -> bool:
    """Whether something at `place` may bear on `resource` or on what lies below it, in whatever environment that is."""
    below = f"{resource}/" if resource else ""
    if place.startswith(below) or place in prefixes(resource):
        return True
    head = _project_head(resource)
    if not head or not place.startswith(f"{head}/"):
        return False
    # Of two places in one project of which one names no environment, nobody knows which it is in.
    inner, other = resource[len(head) + 1 :], place[len(head) + 1 :]
    is_inside, is_other_inside = (text.startswith(f"{ENVIRONMENTS}/") for text in (inner, other))
    if is_inside == is_other_inside:
        return False
    return _may_meet(plain_path(resource), plain_path(place), head)


def _may_meet(one: str, other: str, head: str) -> bool:
    """Whether of two paths, each of which may be that of an environment, one can lie in the other."""
    environment = f"{head}/{ENVIRONMENTS}/"
    if one.startswith(environment) or other.startswith(environment):
        return True
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def _project_head(resource: str) -> str:
    parts = resource.split("/")
    is_below = len(parts) > 4 and parts[0] == "organisations" and parts[2] == "projects"  # noqa: PLR2004 - two pairs
    return "/".join(parts[:4]) if is_below else ""


def _pairs(resource: str) -> Iterator[str]:
    """The root, then `resource` up to each of its pairs."""
    yield ""
    end = 0
    while end < len(resource):
        kinds = resource.find("/", end)
        end = resource.find("/", kinds + 1) if kinds >= 0 else -1
        if end < 0:
            yield resource
            return
        yield resource[:end]
        end += 1
