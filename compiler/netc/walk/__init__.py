"""Walks packets through the plans of all hosts, as kernels would carry them. It reads plans and nothing else."""
