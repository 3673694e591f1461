"""What the quickstart does: builds the guest image, supervises the stack, walks the steps, talks to the person."""
