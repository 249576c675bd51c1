"""What Kaggle gives and takes: archives, labels, folds, metrics, the submission."""
