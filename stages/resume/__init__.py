"""The unfinished work of long stages: what it is known by, keeping it, going on from it."""
