"""What every stage stands on: its params, paths, records, command and unfinished work."""
