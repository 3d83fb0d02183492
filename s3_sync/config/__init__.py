"""The configuration: the file as it is written, checked whole, and the one model that the program uses."""
