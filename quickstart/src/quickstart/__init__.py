"""One command that runs a whole cloud on one machine and proves it."""
