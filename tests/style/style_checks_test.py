#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The style checks must be able to fail: each runs over a small tree that breaks its rule."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parent.parent.parent / "tools"
LAYERS = """
include:
base: include
graph: base
backends/cpu: base
backends/cpu/deep: backends/cpu base
cli: include
<google/protobuf>: graph
"""


class Tree(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = pathlib.Path(self.folder.name)
        self.write("tools/layers.txt", LAYERS)

    def tearDown(self):
        self.folder.cleanup()

    def write(self, name, text):
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run_tool(self, tool, *arguments):
        done = subprocess.run([sys.executable, "-B", str(TOOLS / tool), *arguments, str(self.root)],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr


class Layers(Tree):
    def check(self):
        return self.run_tool("check_layers.py")

    def test_accepts_what_the_list_allows(self):
        self.write("src/base/a.h", "#include <vector>\n")
        self.write("src/graph/b.cpp", '#include "base/a.h"\n#include <google/protobuf/x.h>\n')
        self.write("src/backends/cpu/deep/c.cpp", '#include "backends/cpu/d.h"\n')
        self.assertEqual(self.check()[0], 0)

    def test_names_an_include_that_goes_upwards(self):
        self.write("src/base/a.h", '#include <vector>\n#include "graph/b.h"\n')
        self.assertEqual(self.check(), (1, "src/base/a.h:2: base may not include graph\n"))

    def test_keeps_clients_out_of_the_sources(self):
        self.write("cli/main.cpp", '#include "base/a.h"\n')
        self.assertEqual(self.check(), (1, "cli/main.cpp:1: cli may not include base\n"))

    def test_keeps_a_library_in_its_module(self):
        self.write("src/base/a.cpp", "#include <google/protobuf/x.h>\n")
        code, text = self.check()
        self.assertEqual(code, 1)
        self.assertIn("base may not include <google/protobuf/x.h>", text)

    def test_keeps_libraries_out_of_the_public_headers(self):
        self.write("include/lathe/a.h", "#include <fmt/format.h>\n")
        code, text = self.check()
        self.assertEqual(code, 1)
        self.assertIn("include may only include the standard library", text)

    def test_refuses_a_folder_that_is_not_listed(self):
        self.write("src/extra/a.h", "")
        self.assertEqual(self.check()[0], 1)

    def test_refuses_a_list_with_a_cycle(self):
        self.write("tools/layers.txt", "base: graph\ngraph: base\n")
        code, text = self.check()
        self.assertEqual(code, 1)
        self.assertIn("not above it in the list", text)


class Types(Tree):
    def check(self, a, b):
        self.write("src/base/a.h", a)
        self.write("src/ops/b.cpp", b)
        return self.run_tool("check_types.py")[0]

    def test_names_a_type_that_is_defined_twice(self):
        one = "namespace lathe {\nstruct Term {\n  struct Part { int a; };\n};\n}\n"
        for two in ("namespace lathe {\nclass Term final : public Base {\n};\n}",
                    "namespace lathe {\nnamespace {\nint a;\n}\nstruct Term {};\n}",
                    "namespace lathe { enum class Term : int { A }; }"):
            self.assertEqual(self.check(one, two), 1, two)

    def test_accepts_what_is_apart(self):
        one = "namespace lathe {\nstruct Term {\n  struct Part { int a; };\n};\n}\n"
        for two in ("namespace lathe {\nnamespace {\nstruct Term {};\n}\n}",
                    "namespace lathe::cpu {\nstruct Term {};\n}", "namespace lathe { class Term; }",
                    "namespace lathe {\nstruct Part {};\nstruct Other { struct Term {}; };\n}",
                    "namespace lathe {\n// struct Term {\nvoid f(struct Term t) { g({}); }\n}"):
            self.assertEqual(self.check(one, two), 0, two)


class Try(Tree):
    def check(self, body):
        self.write("src/base/a.cpp", f"Status f() {{\n{body}\n  return {{}};\n}}\n")
        code, text = self.run_tool("check_try.py")
        return code, text.partition(": LATHE_TRY")[0]

    def test_names_a_try_behind_another_element(self):
        for body in ("  Pair p{name, LATHE_TRY(shape())};", "  list.push_back({a, LATHE_TRY(b())});",
                     "  return Pair{.a = name, .b = f(LATHE_TRY(b()))};",
                     "  auto v = std::vector<Pair>{{a, LATHE_TRY(b())}};"):
            self.assertEqual(self.check(body), (1, "src/base/a.cpp:2"), body)

    def test_accepts_the_first_element_arguments_and_blocks(self):
        for body in ("  Pair p{LATHE_TRY(shape()), 1};", "  f(a, LATHE_TRY(b()));",
                     "  for (auto& [a, b] : pairs) {\n    g(a, b);\n    LATHE_TRY(h(a, b));\n  }",
                     "  int a = 1, b = LATHE_TRY(c());", "  // {a, LATHE_TRY(b)}",
                     "  list({a, [&]() -> Status { LATHE_TRY(h()); return {}; }});"):
            self.assertEqual(self.check(body)[0], 0, body)


class Sizes(Tree):
    def check(self, *arguments):
        subprocess.run(["git", "init", "-q", str(self.root)], check=True)
        return self.run_tool("check_sizes.py", *arguments)

    def test_fails_on_a_file_above_800_lines(self):
        self.write("src/base/a.cpp", "int a;\n" * 801)
        code, text = self.check()
        self.assertEqual(code, 1)
        self.assertIn("src/base/a.cpp:801: 801 lines, at most 800", text)

    def test_warns_about_a_long_function(self):
        body = "  int b = 0;\n" * 90
        self.write("src/base/a.cpp", f"int f(int a) {{\n{body}  return a;\n}}\n")
        code, text = self.check("--warnings")
        self.assertEqual(code, 0)
        self.assertIn("src/base/a.cpp:1: function of 93 lines", text)

    def test_warns_about_many_parameters(self):
        self.write("src/base/a.cpp",
                   "int f(int a, int b, int c, int d,\n      int e, int f, std::map<int, int> g) {\n"
                   "  return a;\n}\n")
        self.assertIn("src/base/a.cpp:1: 7 parameters", self.check("--warnings")[1])


if __name__ == "__main__":
    unittest.main()
