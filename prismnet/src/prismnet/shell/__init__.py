"""What the server does.

`kinds` (admission of the four kinds), `records` and `intents` (between protos and the core), `planner` (what follows
from a change), `hosts` (the RPCs of agents), `server` (all of it together).
"""
