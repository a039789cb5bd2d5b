"""The web app: where CSMs work through their week, over the published runs."""
