"""What is done with a network: weights from outside, rates found, predictions and their reasons."""
