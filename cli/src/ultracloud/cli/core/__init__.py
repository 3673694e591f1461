"""What the command line decides, without a socket, a file or a clock.

`trees` JSON values; `failures` what a person is told, and the exit code; `suggest` the nearest known word; `api` nouns,
operations and fields of the index; `catalogue` makes the index from OpenAPI; `fields` text to a value of a field;
`flags` fields as flags; `bodies` request bodies and patches; `requests` a request, and as a curl line; `retries` when a
request is sent again; `problems` the server's refusals; `settings` contexts, and what of them holds; `versions` how far
two are apart; `jsonpath`, `cells`, `tables`, `outputs` what is printed; `ages` spans of time; `conditions` what is
waited for; `explain` the words of `explain`; `findings` the words of `doctor`; `manpages` roff.
"""
