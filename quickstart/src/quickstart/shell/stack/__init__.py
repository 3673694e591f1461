"""The supervisor: a small init that runs the services, agents and libvirtd in namespaces of their own.

- `__main__`: `python -m quickstart.shell.stack --plan FILE`, first process of its namespaces
- `place`: mounts and network namespaces
- `supervisor`: starts, restarts, reaps
- `control`: the socket it answers on
- `client`: what talks to that socket, and starts the supervisor
"""
