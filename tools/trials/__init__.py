"""What `tools/faults.py` does: commands that are killed, run out of disk, run twice at once."""
