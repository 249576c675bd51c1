"""The commands of `repodium`, a module each: thin, and loaded only when called."""
