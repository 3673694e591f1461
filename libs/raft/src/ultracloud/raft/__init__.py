"""Raft as a pure machine: messages, ticks and proposals in; what to store, send and apply out.

words: entries, hard state, configurations, snapshot marks, what a node starts from
messages: what nodes say to each other
events: what a node is told, and what it then wants done
options: what may be chosen
raft: one node
config: the body of an entry that changes the configuration

Inside: state (what a node knows in every part), log, membership (how configurations follow from each other), quorum,
turns (the parts), follower, candidate, leader, replication (a leader's peers), progress (one of them), reads.
"""
