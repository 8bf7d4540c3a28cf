"""A real PostgreSQL without an installation, for `tollway dev`, the demo and the tests."""

from tollway.embedded.server import EmbeddedPostgres, default_data_dir
from tollway.embedded.throwaway import throwaway_folder

__all__ = ["EmbeddedPostgres", "default_data_dir", "throwaway_folder"]
