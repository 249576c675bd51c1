"""What the commands of `repodium` have in common: help, completion and tables."""
