"""Predictions scored: blended, calibrated, decided upon, compared; honestly."""
