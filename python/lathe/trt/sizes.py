# SPDX-License-Identifier: Apache-2.0
"""Sizes as Lathe writes them, "2*N" or "floordiv(H, 2)", and what they are for symbols' values."""
import ast
import operator

_FUNCTIONS = {"floordiv": lambda a, b: a // b, "ceildiv": lambda a, b: -(-a // b),
              "mod": lambda a, b: a % b, "min": min, "max": max}
_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


def size_of(text, symbols):
    """The number that a size is at the symbols' sizes; -1 where it is not known."""
    try:
        return _evaluate(ast.parse(str(text), mode="eval").body, symbols)
    except (ArithmeticError, LookupError, MemoryError, RecursionError, SyntaxError, TypeError,
            ValueError):
        return -1


def _evaluate(node, symbols):
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.Name):
        return symbols[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_evaluate(node.operand, symbols)
    if isinstance(node, ast.BinOp):
        parts = _evaluate(node.left, symbols), _evaluate(node.right, symbols)
        return _OPERATORS[type(node.op)](*parts)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _FUNCTIONS[node.func.id](*(_evaluate(a, symbols) for a in node.args))
    raise TypeError


def symbols_of(text):
    """The symbols that stand in a size."""
    tree = ast.walk(ast.parse(str(text), mode="eval"))
    return {node.id for node in tree if isinstance(node, ast.Name)} - set(_FUNCTIONS)
