"""The proxy middleware: one namespace over the local cluster and its remote stores."""
