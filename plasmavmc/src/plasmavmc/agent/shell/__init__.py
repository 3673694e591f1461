"""What the agent does: libvirt, files, sockets, the control plane."""
