"""What is worth seeing: originals, rows, classes, confusions, calibration."""
