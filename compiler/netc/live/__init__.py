"""The hosts as third judge of promises: packets are walked as on paper, and what each host would do with them is asked
of the host. Nothing changes there."""
