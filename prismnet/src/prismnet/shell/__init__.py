"""What the server does: RPCs, the store, and the feed of hosts."""
