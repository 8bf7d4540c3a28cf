"""What every workload and every system shares."""
