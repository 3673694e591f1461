"""Golden conversations, a simulated world, hosts in namespaces, processes under test."""
