"""Which lines come from which keys: netc compiles the topology again with a key changed or left out, and compares.

The output does not say where it comes from, and no stage of the compiler tracks it. So the result is what the compiler
really does. A line that two keys decide comes from both.
"""
