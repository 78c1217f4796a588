"""Scenarios of graphs for `play.compare`, by what a graph does in them."""
