"""Every picture, drawn from the tables that the stages wrote."""
