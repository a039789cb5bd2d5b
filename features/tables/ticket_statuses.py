"""The words for tickets that were closed without being solved."""

#: Values of `status` of a ticket that was closed without being solved, in lower case.
UNSOLVED = (
    *("abandoned", "cancelled", "canceled", "closed unsolved", "closed_unsolved", "declined"),
    *("deleted", "duplicate", "invalid", "merged", "no response", "no_response", "not solved"),
    *("rejected", "spam", "unresolved", "unsolved", "won't fix", "wont fix", "wont_fix", "wontfix"),
)
