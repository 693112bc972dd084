"""What netc costs, beside the tools that people use today on the same work in the same run. `make bench`.

A subject is a module with `figures()`. `python -m bench` takes all of them, `python -m bench mesh sets` some.
"""
