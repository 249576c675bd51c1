"""Backbone and head, layer groups, schedules, the rate finder, fitting, checkpoints, prediction."""
