"""What was compiled, run unchanged on hosts made of namespaces."""
