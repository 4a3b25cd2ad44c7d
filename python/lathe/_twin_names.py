# SPDX-License-Identifier: Apache-2.0
"""What of NumPy a twin may use, and what ONNX calls it."""

# ufunc: ONNX operator of the same operands.
UFUNCS = {
    "add": "Add", "subtract": "Sub", "multiply": "Mul", "divide": "Div", "power": "Pow",
    "negative": "Neg", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "sin": "Sin", "cos": "Cos",
    "tan": "Tan", "arcsin": "Asin", "arccos": "Acos", "arctan": "Atan", "sinh": "Sinh",
    "cosh": "Cosh", "tanh": "Tanh", "arcsinh": "Asinh", "arccosh": "Acosh", "arctanh": "Atanh",
    "absolute": "Abs", "maximum": "Max", "minimum": "Min", "floor": "Floor", "ceil": "Ceil",
    "rint": "Round", "sign": "Sign", "greater": "Greater", "less": "Less", "equal": "Equal",
    "greater_equal": "GreaterOrEqual", "less_equal": "LessOrEqual", "logical_and": "And",
    "logical_or": "Or", "logical_not": "Not", "isnan": "IsNaN", "matmul": "MatMul",
    "reciprocal": "Reciprocal",
}
REDUCTIONS = {"sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax", "min": "ReduceMin",
              "prod": "ReduceProd", "amax": "ReduceMax", "amin": "ReduceMin"}
# Methods and properties of a value, which NumPy has as functions too.
METHODS = ("T", "astype", "expand_dims", "flatten", "max", "mean", "min", "ndim", "prod", "ravel",
           "reshape", "shape", "squeeze", "std", "sum", "swapaxes", "transpose", "var")
# NumPy's element type: the number of ONNX's.
ONNX_TYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "bool": 9,
              "float16": 10, "float64": 11}
