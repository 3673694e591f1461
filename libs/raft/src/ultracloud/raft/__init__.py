"""Raft as a pure machine: messages, ticks and proposals in; what to store, send and apply out.

words: entries, hard state, configurations, snapshot marks
messages: what nodes say to each other
events: what a node is told, and what it then wants done
"""
