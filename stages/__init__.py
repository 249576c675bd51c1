"""Repodium: the fast.ai lesson-2 recipe as DVC stages, one module a stage."""

import gc

# Importing torch and timm makes a million objects that stay; to look through them again and again
# for garbage took a sixth of every stage's start.
gc.set_threshold(100_000)
