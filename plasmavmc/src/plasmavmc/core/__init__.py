"""What the server decides with."""
