"""One file for each system. They are imported by the driver too, which has none of the libraries: those are imported inside."""
