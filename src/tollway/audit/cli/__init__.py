"""The subcommands of `tollway audit` that need no server, one a module."""
