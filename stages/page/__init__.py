"""The report: one page of what a run was made of and what it reached."""
