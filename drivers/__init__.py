"""Legal stimuli: clients that connect, hold, ask and leave."""
