"""The rows of a competition: their cells, labels and folds, in the tables that stages write."""
