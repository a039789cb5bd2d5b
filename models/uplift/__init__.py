"""Effects of treatments: by group, their power, and which accounts respond."""
