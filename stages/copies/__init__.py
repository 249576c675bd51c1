"""Copies among images: the same bytes, or pictures that look alike; and what to do about them."""
