"""Remote object stores, each seen through the one ``Bucket`` interface."""
