"""Floor 2: who answers. Knows capabilities, never a wire format or an engine."""
