"""The compute agent: one on every host, runs the VMs the control plane placed there, from a copy on its own disk.

`core` decides (planner, definitions, metadata documents, image checks), `shell` does (libvirt, files, sockets).
"""
