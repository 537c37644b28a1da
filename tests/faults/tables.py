"""What was found, as tables of docs/reliability.md, and their places there."""

import os
import pathlib
import re

DOC = pathlib.Path(__file__).resolve().parents[2] / "docs/reliability.md"
# Below so many milliseconds nobody waited, whatever the ratio: a turn of this machine's scheduler takes as long.
FLOOR_MS = 10


def machine():
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    return f"{cpu}, {os.cpu_count()} CPUs, Linux {os.uname().release.split('-')[0]}"


def has_waited(row, kind):
    """The bound: p99 at most doubled."""
    return row["honest"][kind]["p99_ms"] > max(2 * row["quiet"][kind]["p99_ms"], FLOOR_MS)


def latency(row, kind):
    p99 = row["honest"][kind]["p99_ms"]
    return f"{p99:.1f}, {p99 / row['quiet'][kind]['p99_ms']:.1f}" + (" missed" if has_waited(row, kind) else "")


def cells(row):
    answered, failed = (sum(found[what] for found in row["honest"].values()) for what in ("operations", "errors"))
    saw = ", ".join(f"{what} {count}" for what, count in sorted(row["saw"].items(), key=lambda p: -p[1]))
    return (f"{answered}" + (f", {failed} failed" if failed else ""), latency(row, "new"), latency(row, "kept"),
            f"{row['grown_mb']:.1f}", saw)


def attack_table(rows):
    """A line for each case; in a cell Portcullis, and in brackets nginx."""
    lines = ["| attack | honest requests answered | p99 of new connections, ms, times quiet | of kept ones | memory, MB more | the attackers saw |",
             "|---|---|---|---|---|---|"]
    for about in dict.fromkeys(row["about"] for row in rows):
        by_gate = {row["gate"]: cells(row) for row in rows if row["about"] == about}
        ours, other = by_gate.get("portcullis"), by_gate.get("nginx")
        if ours:
            pairs = [a + (f" ({b})" if b else "") for a, b in zip(ours, other or [""] * len(ours))]
            lines.append(f"| {about} | " + " | ".join(pairs) + " |")
    return "\n".join(lines)


def storm_table(rows):
    kinds = ("master", "builder", "worker")
    lines = ["| proxy | reloads | on new connections: answered, failed | on kept ones | "
             + " | ".join(f"{kind}: KB, descriptors more" for kind in kinds) + " |", "|---" * 7 + "|"]
    for row in rows:
        kept = ", ".join(f"{what} {count}" for what, count in sorted(row["kept"].items()))
        grown = ("{1:+}, {0:+}".format(*row["grown"][kind]) if kind in row["grown"] else "none" for kind in kinds)
        lines.append(f"| {row['gate']} | {row['reloads']} | {row['new']['operations']}, {row['new']['errors']} | {kept} | "
                     + " | ".join(grown) + " |")
    return "\n".join(lines)


def injection_table(rows):
    lines = ["| in the | what fails | calls failed, one at a time | |", "|---|---|---|---|"]
    for row in rows:
        count = "all " + str(row["tried"]) if row["whole"] and row["tried"] else row["tried"] or "none is made"
        lines.append(f"| {row['role']} | {row['kind']} | {count} | {'; '.join(row['wrong'])} |")
    return "\n".join(lines)


TABLES = {"attacks": attack_table, "storm": storm_table, "injections": injection_table}


def write(name, rows):
    """Between the marks of that name."""
    text = f"{TABLES[name](rows)}\n\n({machine()}.)"
    marks = re.compile(rf"(<!-- {name}: [^\n]*-->\n).*?(\n<!-- /{name} -->)", re.S)
    found, count = marks.subn(lambda m: m[1] + text + m[2], DOC.read_text())
    assert count == 1, f"{DOC} has no place for {name}"
    DOC.write_text(found)
