"""What the agent decides with: no clock, no socket, no libvirt."""
