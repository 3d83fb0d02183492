"""A guided tour: a real Swift, the daemon, an S3 API and another Swift, on one machine, in a minute."""
