"""Fitting: data, layer groups, schedules, steps, progress that survives a kill, and how it went."""
