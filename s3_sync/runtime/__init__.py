"""What every process of the product runs on: threads, connections, logs, counters, the main loop."""
