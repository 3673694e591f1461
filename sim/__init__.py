"""Deterministic simulations; `./dev sim NAME` runs one. Same seed, same trace."""
