# SPDX-License-Identifier: Apache-2.0
"""Engines and profiles as text and as HTML."""
import html

_HEADS = ("step", "nodes", "operator", "tactic", "us", "error")


def port_text(port):
    """images: f32[N,3,224,224]"""
    return f"{port.name}: {port.type}[{','.join(map(str, port.shape))}]"


def op_name(step):
    """"Conv" of "Conv{...}(...)"."""
    return step.op.replace("(", "{").split("{")[0]


def rows(steps, seconds):
    """One line of strings for each step."""
    return [(str(k), s.name, op_name(s), f"{s.tactic} {s.config}".strip(), f"{t * 1e6:.1f}",
             f"{s.max_error:.1e}" if s.checked else "-")
            for k, (s, t) in enumerate(zip(steps, seconds))]


def shortened(text, width=40):
    """At most `width` characters."""
    return text if len(text) <= width else text[:width - 3] + "..."


def table_text(lines):
    """Columns as wide as what is in them; numbers to the right."""
    lines = [_HEADS] + [tuple(map(shortened, line)) for line in lines]
    widths = [max(len(line[c]) for line in lines) for c in range(len(_HEADS))]
    return "\n".join("  ".join(cell.ljust(w) if 1 <= c <= 3 else cell.rjust(w)
                               for c, (cell, w) in enumerate(zip(line, widths))).rstrip()
                     for line in lines)


def table_html(lines):
    """The same as a table of HTML, nothing shortened."""
    head = "".join(f"<th>{h}</th>" for h in _HEADS)
    body = "".join("<tr>" + "".join(f"<td>{html.escape(c)}</td>" for c in line) + "</tr>"
                   for line in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def facts(engine, steps):
    """What is above the table: inputs, outputs, sums, certificate."""
    core = engine._core
    lines = [f"{engine.name} on {engine.device}"]
    lines += [f"  input   {port_text(p)}" for p in engine.inputs]
    lines += [f"  output  {port_text(p)}" for p in engine.outputs]
    total = sum(s.seconds for s in steps)
    lines.append(f"  {core.nodes_in_model()} nodes became {len(steps)} steps; their times add up "
                 f"to {total * 1e3:.3f} ms")
    lines.append(f"  {sum(s.checked for s in steps)} of {len(steps)} steps checked against the "
                 f"reference, largest error {core.certified_step_error():.2g}")
    whole = core.certified_end_to_end()
    if whole:
        lines.append(f"  whole against the unfused FP32 chain: {max(whole):.2g}")
    return lines


def engine_text(engine):
    """For print(engine)."""
    steps = engine.steps
    return "\n".join(facts(engine, steps)) + "\n" + table_text(rows(steps,
                                                                    [s.seconds for s in steps]))


def engine_html(engine):
    """For notebooks."""
    steps = engine.steps
    text = "<br>".join(map(html.escape, facts(engine, steps)))
    return f"<p>{text}</p>" + table_html(rows(steps, [s.seconds for s in steps]))


def profile_text(profile):
    """For print(profile)."""
    return (table_text(rows(profile.steps, profile.seconds)) +
            f"\ntotal {profile.total * 1e6:.1f} us")


def profile_html(profile):
    """For notebooks."""
    return (table_html(rows(profile.steps, profile.seconds)) +
            f"<p>total {profile.total * 1e6:.1f} us</p>")
