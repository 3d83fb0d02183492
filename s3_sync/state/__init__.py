"""What survives a restart: status files and the journal."""
