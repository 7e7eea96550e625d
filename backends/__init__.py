"""Floor 1: engines, one folder per capability. Knows nothing of routing or of any wire format."""
