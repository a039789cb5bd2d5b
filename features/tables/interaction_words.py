"""The words of interactions: which kinds are conversations, and who started one."""

#: What the customer takes part in, whoever started it.
CONVERSATIONS = ("call", "meeting")
EMAIL = "email"
INBOUND = ("in", "inbound", "incoming")
OUTBOUND = ("out", "outbound", "outgoing")
