from netc.network.interface import Network
from netc.problem import KeyPath, Problem


def check(network: Network, broken: frozenset[KeyPath]) -> tuple[Problem, ...]:
    return ()
