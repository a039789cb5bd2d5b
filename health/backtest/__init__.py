"""The proof: past dates scored with what was known then, held against what happened."""
