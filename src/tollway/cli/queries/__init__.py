"""What the command line reads: plain SQL over the tables that readers may see. It writes nothing; that is the client's."""
