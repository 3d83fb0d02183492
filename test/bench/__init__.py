"""Measurements beside other tools, in one run on one machine: only the ratios mean anything elsewhere."""
