"""Large objects as values: manifests, and the parts that are made of them. No I/O."""
