"""What Kaggle gives and takes: archives, labels, the submission, the ledger."""
