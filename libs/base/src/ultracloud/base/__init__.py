"""Pure words every service shares: faults, ids, names, policy decisions."""
