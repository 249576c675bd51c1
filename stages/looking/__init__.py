"""What `explore` and `interpret` look at: originals, rows worth seeing, classes, calibration."""
