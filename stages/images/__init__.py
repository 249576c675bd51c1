"""Decoding, the resized pack, and the views that training and prediction see."""
