"""Ordered key-value store for the metadata of every tenant object."""
