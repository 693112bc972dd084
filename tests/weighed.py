"""netc once more, so that what C does for it counts too: each time that it goes over a container, by what is in it.

A line that says `sorted(names)` is one line, whatever there is to sort. So the modules of netc are loaded with such
operations handed to the functions of this file: calls of what is not netc's, `in`, comparisons and sums of containers,
slices, and `*` before one. What is counted is the same on every machine, and every time.
"""

from __future__ import annotations

import ast
import gc
import operator
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import BuiltinMethodType, CodeType, FrameType, MethodType, ModuleType
from typing import Any

SIZED = (list, tuple, dict, set, frozenset, deque, type({}.keys()), type({}.values()), type({}.items()))
CHARACTERS = 64
"""Of a text: they take as long as one thing in a container."""
UNTOUCHED = frozenset(
    {len, isinstance, issubclass, iter, next, enumerate, zip, reversed, id, type, bool, callable, getattr, hasattr}
    | {setattr, range, slice, print, object}
)
"""What does not go over what it is given, or not at once: then whoever asks it for more is counted."""
KEPT = frozenset(
    {"append", "appendleft", "add", "discard", "get", "setdefault", "pop", "popleft", "insert"}
    | {"keys", "values", "items", "startswith", "endswith", "replace"}
    | {"bisect_left", "bisect_right", "heappush", "heappop"}
)
"""Those that put what they are given somewhere, or halve it. `replace` is that of structs."""
WHOLE = frozenset(
    {"index", "count", "remove", "copy", "sort", "reverse", "__contains__"}
    | {"union", "difference", "intersection", "symmetric_difference", "issubset"}
    | {"split", "splitlines", "rsplit", "find", "rfind", "encode", "decode", "lower", "upper", "translate"}
)
"""Methods that go over their own container, or text."""
LEFT = frozenset({"super", "locals", "cast", "replace", "assert_never", "isinstance"})

_counts: Counter[CodeType] = Counter()


def _size(thing: object) -> int:
    if isinstance(thing, SIZED):
        return len(thing)
    return len(thing) // CHARACTERS if isinstance(thing, str | bytes) else 0


def _weigh(weight: int, depth: int = 2) -> None:
    if weight:
        _counts[sys._getframe(depth).f_code] += weight


def call(function: Callable[..., Any], /, *given: Any, **named: Any) -> Any:
    """What `function` says, and the sizes of what it was given if it is not netc's."""
    result = function(*given, **named)
    if _is_ours(function):
        return result
    weight, name = 1, getattr(function, "__name__", "")
    own = getattr(function, "__self__", None) if isinstance(function, BuiltinMethodType) else None
    try:
        untouched = function in UNTOUCHED
    except TypeError:
        untouched = False
    if not untouched and name not in KEPT:
        weight += sum(map(_size, (*given, *named.values())))
        if isinstance(function, type) or function is sorted:
            weight += _size(result) if not isinstance(result, str) else 0
    if own is not None and (
        (name in WHOLE and len(given) < 2) or (name == "pop" and given == (0,) and isinstance(own, list))
    ):
        weight += _size(own)
    if name == "insert" and isinstance(own, list):
        weight += len(own) - max(given[0], 0)
    _weigh(weight)
    return result


def _is_ours(function: object) -> bool:
    """Whether its lines are counted."""
    if isinstance(function, MethodType):
        function = function.__func__
    code = getattr(function, "__code__", None)
    if code is not None:
        return str(code.co_filename).startswith(HOME)
    return isinstance(function, type) and function.__module__.partition(".")[0] == "netc"


def contains(within: Any, one: Any) -> bool:
    if isinstance(within, list | tuple | deque | str | type({}.values())):
        _weigh(_size(within))
    return bool(one in within)


def compare(operation: str, one: Any, other: Any) -> Any:
    if isinstance(one, SIZED) and isinstance(other, SIZED):
        if operation in ("eq", "ne"):
            _weigh(len(one) if len(one) == len(other) else 0)
        elif not isinstance(one, list | tuple):
            _weigh(min(len(one), len(other)))
    return getattr(operator, operation)(one, other)


def combine(operation: str, one: Any, other: Any) -> Any:
    if isinstance(one, SIZED) and isinstance(other, SIZED):
        both = len(one) + len(other)
        _weigh({"and_": min(len(one), len(other)), "sub": len(one)}.get(operation, both))
    return getattr(operator, operation)(one, other)


def added(more: Any, to: Any) -> Any:
    """What is added in place: a tuple is made anew."""
    _weigh(_size(more) + (_size(to) if isinstance(to, tuple | frozenset) else 0))
    return more


def spread(things: Any) -> Any:
    _weigh(_size(things))
    return things


HOOKS: dict[str, Callable[..., Any]] = {
    f"_weighed_{function.__name__}": function for function in (call, contains, compare, combine, added, spread)
}
COMPARED = {ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge"}
COMBINED = {ast.Add: "add", ast.BitOr: "or_", ast.BitAnd: "and_", ast.Sub: "sub", ast.BitXor: "xor"}


class _Weighing(ast.NodeTransformer):
    """Inside of functions; what is outside runs once. Annotations and decorators stay as they are."""

    def __init__(self) -> None:
        self.inside = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        before, self.inside = self.inside, True
        node.body = [self.visit(line) for line in node.body]
        self.inside = before
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign:
        if node.value is not None and self.inside:
            node.value = self.visit(node.value)
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if not self.inside or name in LEFT:
            return node
        return _hook("call", node, node.func, *node.args, keywords=node.keywords)

    def visit_keyword(self, node: ast.keyword) -> ast.keyword:
        self.generic_visit(node)
        if self.inside and node.arg is None:
            node.value = _hook("spread", node.value, node.value)
        return node

    def visit_Starred(self, node: ast.Starred) -> ast.Starred:
        self.generic_visit(node)
        if self.inside and isinstance(node.ctx, ast.Load):
            node.value = _hook("spread", node.value, node.value)
        return node

    def visit_Dict(self, node: ast.Dict) -> ast.Dict:
        self.generic_visit(node)
        if self.inside:
            pairs = zip(node.keys, node.values, strict=True)
            node.values = [value if key else _hook("spread", value, value) for key, value in pairs]
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if not self.inside or len(node.ops) > 1:
            return node
        (one,), (other,) = node.ops, node.comparators
        if isinstance(one, ast.In | ast.NotIn):
            found = _hook("contains", node, other, node.left)
            return found if isinstance(one, ast.In) else _at(ast.UnaryOp(ast.Not(), found), node)
        if type(one) in COMPARED:
            return _hook("compare", node, ast.Constant(COMPARED[type(one)]), node.left, other)
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if not self.inside or type(node.op) not in COMBINED:
            return node
        return _hook("combine", node, ast.Constant(COMBINED[type(node.op)]), node.left, node.right)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if self.inside:
            to: ast.expr = ast.Constant(None)
            if isinstance(node.target, ast.Name):
                to = ast.Name(node.target.id, ast.Load())
            node.value = _hook("added", node.value, node.value, to)
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        if self.inside and isinstance(node.ctx, ast.Load) and isinstance(node.slice, ast.Slice):
            return _hook("spread", node, node)
        return node


def _at(node: Any, place: ast.AST) -> Any:
    return ast.copy_location(node, place)


def _hook(name: str, place: ast.AST, *given: ast.expr, keywords: Sequence[ast.keyword] = ()) -> ast.expr:
    called = ast.Call(ast.Name(f"_weighed_{name}", ast.Load()), list(given), list(keywords))
    found: ast.expr = _at(called, place)
    return found


def compiled(text: str | bytes, path: str) -> CodeType:
    tree = ast.fix_missing_locations(_Weighing().visit(ast.parse(text)))
    code: CodeType = compile(tree, path, "exec", dont_inherit=True)
    return code


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return compiled(self.get_data(path), path)

    def exec_module(self, module: ModuleType) -> None:
        module.__dict__.update(HOOKS)
        super().exec_module(module)


class _Finder(MetaPathFinder):
    def find_spec(self, name: str, path: Any, _target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name.partition(".")[0] == "netc" else None
        if spec is not None and spec.origin:
            spec.loader = _Loader(name, spec.origin)
        return spec


HOME = str(PathFinder.find_spec("netc").origin).rpartition("/")[0] + "/"  # type: ignore[union-attr]
_loaded: dict[str, ModuleType] = {}


@contextmanager
def weighed() -> Iterator[None]:
    """While it lasts, `import netc` gives the one that is counted. It is loaded once."""
    finder, before = _Finder(), _taken()
    sys.modules.update(_loaded)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        _loaded.update(_taken())
        sys.modules.update(before)


def _taken() -> dict[str, ModuleType]:
    found = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "netc"}
    for name in found:
        del sys.modules[name]
    return found


def counted(work: Callable[[], object], home: Sequence[str] = (HOME,)) -> Counter[CodeType]:
    """How many lines each function of files below `home` ran, and how much of containers it had others go over."""
    where = tuple(home)

    def line(frame: FrameType, event: str, _arg: Any) -> Any:
        if event == "call" and not frame.f_code.co_filename.startswith(where):
            return None
        _counts[frame.f_code] += 1
        return line

    before = sys.gettrace()
    _counts.clear()
    gc.disable()
    sys.settrace(line)
    try:
        work()
    finally:
        sys.settrace(before)
        gc.enable()
    return _counts.copy()
