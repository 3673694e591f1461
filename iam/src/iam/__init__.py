"""Organisations, projects, service accounts, roles and signed tokens."""
