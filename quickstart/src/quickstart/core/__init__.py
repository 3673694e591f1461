"""What the quickstart decides without touching anything: file formats, texts, the supervisor's state machine."""
