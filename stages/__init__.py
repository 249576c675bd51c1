"""Repodium: the fast.ai lesson-2 recipe as DVC stages, one module a stage."""
