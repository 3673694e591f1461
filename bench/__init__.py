"""Workloads against peers, and their results; `./dev bench NAME` runs them."""
