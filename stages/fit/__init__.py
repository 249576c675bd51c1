"""Fitting: data, layer groups, schedules, steps, and progress that survives a kill."""
