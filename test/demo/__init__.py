"""A guided tour: a real Swift, the daemon, and an S3 API, on one machine, in a minute."""
