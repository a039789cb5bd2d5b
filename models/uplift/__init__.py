"""Effects of what was done: groups, power, and which accounts respond to it."""
