"""Recipes that run the weekly batch from a scheduler: copy one and change its constants.

Nothing here is imported by the product, and none of the schedulers is a dependency of it.
"""
