"""A store of real processes, each on a host of its own, under load while everything around it fails.

- `bed`: hosts as network namespaces on one switch, members as processes on them, disks, clocks
- `servers`: what starts a member: chainfire, or a real etcd to hold the harness itself against
- `shim.c`, `shim`: a slow disk and a wrong clock for one member
- `faults`: what goes wrong, and how it is made well again
- `speech`, `clients`: what clients ask, and the history of what they were told
- `verdict`: the promises, checked over the history
- `rounds`: one cluster, one load, one schedule of faults from one seed
- `__main__`: the command line, which enters namespaces of its own first

`python -m tests.robustness --help` runs as long as one likes; `test_robustness.py` runs a little in every suite.
"""
