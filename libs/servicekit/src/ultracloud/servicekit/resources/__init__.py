"""The resource kit: a service declares its kinds and gets create, get, list, update, delete and watch for each.

- `kinds`: what a service says of a kind
- `server`: the RPCs, authorised; custom verbs derive from `KindServer`
- `engine`: every change, admitted; what a service's own loops call; `reading` and `writing` are its hands
- `changing`, `deleting`: parts of the engine; `collector` ends deletions that wait
- `context`: what hooks read
- `audit`: who changed what, chained and verified, pure; `trail` writes it with the change, `telling` serves it
- `happenings`: what happened to a resource, counted and bounded, pure
- `conditions`, `records`, `places`, `listing`, `watching`: parts of these; `shared` is one watch of the store for all
- `selectors`, `indexes`: what a list asks for, and the keys that answer it, pure; `indexing` makes an index whole
- `denials`: refusals in that trail; `export`: the trail as a file that proves itself, pure
- `masks`: which part of a spec an update is about, pure
- `quota`: what a place uses of what it may, pure; `limits` says how much that is, `charging` counts it with the change,
  `recounting` proves the books, `counting` serves them
- `tidying`: what is dropped or looked after once a day
- `layout`, `pages`: storage keys and page tokens, pure
- `reconcile`: from what is wanted to what is done; `world` is what it knows, `pacing` how often one object may ask
- `owners`: which of several replicas works on what; `shards` shares it out, pure; `fencing` holds former owners off
- `operations`: work that outlasts its call, a kind of the kit; `progress` is how it goes, pure
- `hosts`: intents of hosts, on the server and on the host
"""

from ultracloud.servicekit.resources.collector import Collector
from ultracloud.servicekit.resources.conditions import Condition, Truth
from ultracloud.servicekit.resources.context import Context
from ultracloud.servicekit.resources.counting import QuotaServer
from ultracloud.servicekit.resources.denials import Denials
from ultracloud.servicekit.resources.engine import NewResource, Resources
from ultracloud.servicekit.resources.hosts import HostCopy, HostFeed
from ultracloud.servicekit.resources.kinds import Kind, Scope
from ultracloud.servicekit.resources.limits import Limits, NoLimits, ProjectLimits, SetLimits
from ultracloud.servicekit.resources.owners import Owners, Replicas, SoleOwner
from ultracloud.servicekit.resources.places import ROOT, Place
from ultracloud.servicekit.resources.reconcile import Planner, Reconciler
from ultracloud.servicekit.resources.records import Stored
from ultracloud.servicekit.resources.server import KindServer, Located
from ultracloud.servicekit.resources.telling import TrailServer, signed_by_iam
from ultracloud.servicekit.resources.tidying import tidy
from ultracloud.servicekit.resources.world import Key, LastWrite, World

__all__ = [
    "ROOT",
    "Collector",
    "Condition",
    "Context",
    "Denials",
    "HostCopy",
    "HostFeed",
    "Key",
    "Kind",
    "KindServer",
    "LastWrite",
    "Limits",
    "Located",
    "NewResource",
    "NoLimits",
    "Owners",
    "Place",
    "Planner",
    "ProjectLimits",
    "QuotaServer",
    "Reconciler",
    "Replicas",
    "Resources",
    "Scope",
    "SetLimits",
    "SoleOwner",
    "Stored",
    "TrailServer",
    "Truth",
    "World",
    "signed_by_iam",
    "tidy",
]
