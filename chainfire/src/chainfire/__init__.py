"""Coordination store that speaks etcd's v3 API."""
