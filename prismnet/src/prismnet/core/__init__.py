"""What the server decides, without I/O.

`ids` (names of things, in the API and in the kernel), `intent` (what one host must have), `addressing` (ranges and
addresses), `groups` (rules), `ports` (their other fields), `hosts` (from records to intents).
"""
