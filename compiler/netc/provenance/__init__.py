"""Which lines come from which keys: found by compiling the topology that says a thing otherwise, or not at all.

Nothing in the output says where it comes from, and no stage of the compiler keeps track of it, so nothing of this can
be wrong without the compiler being different. What two keys decide together comes from both.
"""
