"""What a run has found, as tables: read from the JSON that it leaves, so that they can be made again."""

import pathlib
import re
import statistics

from contenders import CALLED
from rows import ROWS

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs/performance.md"
OURS = "portcullis"
BUSY = 0.95  # below it a proxy sleeps and wakes for each packet, and its CPU time is not what it could be


def median(samples, key="value"):
    return statistics.median(sample[key] for sample in samples)


def ratio(samples, base, key="value"):
    """The median of the rounds' ratios; rounds that one of them lacks are left out."""
    other = {sample["round"]: sample[key] for sample in base}
    shares = [sample[key] / other[sample["round"]] for sample in samples if other.get(sample["round"])]
    return statistics.median(shares) if shares else None


def figure(value):
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def lines(head, rows):
    """A table, or nothing if there are no rows."""
    made = ("| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows))
    return "\n".join(re.sub(r"\|  (?=\|)", "| ", line) for line in made) if rows else ""


class Result:
    """A run. Its rows are those of which it has samples."""

    def __init__(self, found):
        self.found = found
        self.names = [contender["name"] for contender in found["contenders"]]
        self.called = {contender["name"]: contender["called"] for contender in found["contenders"]}
        self.base = self.names[0]
        self.others = [name for name in self.names[1:] if not name.startswith(OURS)]
        self.rows = [row for row in ROWS if self.found["rows"].get(row.of or row.name)]

    def samples(self, row, name):
        samples = self.found["rows"][row.of or row.name].get(name, [])
        return [sample for sample in samples if row.key in sample]

    def share(self, row, name, other):
        samples, base = self.samples(row, name), self.samples(row, other)
        return ratio(samples, base, row.key) if samples and base else None

    def share_of_best(self, row):
        """Ours of the cheapest of the others, and which it is."""
        shares = [(self.share(row, OURS, name), name) for name in self.others]
        return max(((share, name) for share, name in shares if share is not None), default=(None, ""))

    def remark(self, row, samples):
        """What keeps a figure from being what its row says."""
        said = " errors" if any(sample.get("errors") for sample in samples) else ""
        if row.name.startswith("resume"):
            share = sum(s["resumed"] for s in samples) / max(1, sum(s["handshakes"] for s in samples))
            said += "" if share > 0.99 else f", {share:.0%} resumed"
        alternating = row.one_cpu or row.beside or self.found["one_cpu"]
        if not alternating and row.key == "value" and "busy" in samples[0] and round(median(samples, "busy"), 2) < BUSY:
            said += f", {median(samples, 'busy'):.0%} busy"
        return said

    def cell(self, row, name):
        samples = self.samples(row, name)
        if not samples:
            return "failed" if name in self.found["failed"].get(row.of or row.name, {}) else ""
        share = self.share(row, name, self.base) if name != self.base else None
        beside = "" if share is None or row.beside else f" ({share:.2f})"
        return figure(median(samples, row.key)) + beside + self.remark(row, samples)

    def goals(self, row):
        """Each goal: what is compared, how it is, must and aim, and whether they are met."""
        samples = self.samples(row, OURS)
        if not samples:
            return []
        best, _ = self.share_of_best(row)
        alone = [{**sample, "value": sample["beside"]} for sample in samples if "beside" in sample]
        found = [("nginx", self.share(row, OURS, self.base), row.nginx), ("best", best, row.best),
                 ("figure", median(samples, row.key), row.limit),
                 ("beside", ratio(samples, alone) if alone else None, row.within)]
        return [{"against": against, "is": value, **dict(zip(("must", "aim"), goal)), "met": met(value, goal)}
                for against, value, goal in found if goal and value is not None]


def met(value, goal):
    """As it will be printed."""
    value = round(value, 2)
    if value > goal[0]:
        return "missed"
    return "met" if len(goal) == 1 else "aim" if value <= goal[1] else "must"


def verdict(goal):
    return f"**{goal['met']}**" if goal["met"] == "missed" else goal["met"]


def aims(goal):
    return figure(goal["must"]) + (f" / {figure(goal['aim'])}" if "aim" in goal else "")


def shares_table(result):
    """Ours as shares of nginx and of the best of the others."""
    rows = []
    for row in result.rows:
        goals = {goal["against"]: goal for goal in result.goals(row) if goal["against"] in ("nginx", "best")}
        if not goals:
            continue
        _, name = result.share_of_best(row)
        cells = [f"{row.title}, {row.unit}", figure(median(result.samples(row, OURS), row.key))]
        for against in ("nginx", "best"):
            goal = goals.get(against)
            cells += [f"{goal['is']:.2f}", aims(goal), verdict(goal)] if goal else ["", "", ""]
        rows.append(cells + [result.called.get(name, "") if "best" in goals else ""])
    head = ["workload", CALLED[OURS], f"of {result.called[result.base]}", "must / aim", "", "of the best other",
            "must / aim", "", "which is"]
    return lines(head, rows)


def own_table(result):
    """Goals that need no other proxy."""
    rows = []
    for row in result.rows:
        samples = result.samples(row, OURS)
        for goal in result.goals(row):
            if goal["against"] == "figure":
                rows.append([row.title, f"{figure(goal['is'])} {row.unit}".strip(), "", "", aims(goal), verdict(goal)])
            if goal["against"] == "beside":
                rows.append([row.title, f"{figure(median(samples))} {row.unit}",
                             f"{figure(median(samples, 'beside'))} {row.unit}", f"{goal['is']:.2f}", aims(goal),
                             verdict(goal)])
    return lines(["workload", "is", "beside", "share", "must / aim", ""], rows)


def figures_table(result):
    rows = [[row.title, row.unit, *(result.cell(row, name) for name in result.names)]
            for row in result.rows if not row.beside and not row.alone]
    return lines(["workload", "unit", *(result.called[name] for name in result.names)], rows)


def latency_cell(samples):
    if not samples:
        return ""
    rate = statistics.median(sample["operations"] / sample["seconds"] for sample in samples)
    p50, p99, p999 = (median(samples, key) for key in ("p50_ms", "p99_ms", "p999_ms"))
    return f"{figure(rate)}/s, {p50:.1f} / {p99:.1f} / {p999:.1f}"


def latency_table(result):
    """Of rows in which the load has a CPU of its own."""
    rows = []
    for row in result.rows:
        samples = [result.samples(row, name) for name in result.names]
        if not row.of and not row.one_cpu and not row.beside and any("p50_ms" in (s or [{}])[0] for s in samples):
            rows.append([row.name, *(latency_cell(s) for s in samples)])
    return lines(["rate, p50 / p99 / p99.9 in ms", *(result.called[name] for name in result.names)], rows)


def calls_table(result):
    rows = []
    for row in result.rows:
        for name in result.names:
            calls = next((sample["calls"] for sample in result.samples(row, name) if "calls" in sample), {})
            said = [f"{call} {count:.2f}" for call, count in sorted(calls.items(), key=lambda item: -item[1])
                    if count >= 0.05]
            rows += [[row.name, result.called[name], ", ".join(said)]] if said else []
    return lines(["system calls of a request", "", ""], rows)


def endurance_table(result):
    rows = [[row.title, *(figure(kb) for kb in result.samples(row, OURS)[0]["kb"]),
             f"{figure(goal['is'])} ({aims(goal)})", verdict(goal)]
            for row in result.rows if row.alone for goal in result.goals(row)]
    return lines(["KB in memory", "before", *(f"{tenth}0 %" for tenth in range(1, 11)), "more (must / aim)", ""], rows)


def failures(result):
    return "\n".join(f"- {row}, {result.called[name]} failed: {reason}"
                     for row, names in result.found["failed"].items() for name, reason in names.items())


def provenance(result):
    found = result.found
    seen = {name for samples in found["rows"].values() for name in samples if not name.startswith(OURS)}
    versions = ", ".join(f"{c['called'].split()[0]} {c['version']}" for c in found["contenders"] if c["name"] in seen)
    return (f"One run of `{found['command']}`, {found['date']}, {found['minutes']:.0f} minutes. Portcullis of commit "
            f"{found['commit']}{', ' if versions else ''}{versions};\n{found['machine']['cpu']}, "
            f"{found['machine']['cpus']} CPUs, Linux {found['machine']['kernel']}.")


def blocks(found):
    """What stands between the markers of the document, by their names; what a run has nothing for is not there."""
    result = Result(found)
    everyday = [shares_table(result), own_table(result) if any(not row.alone for row in result.rows) else "",
                figures_table(result), latency_table(result), calls_table(result)]
    parts = {"table": everyday, "endurance": [endurance_table(result)]}
    return {name: "\n\n".join([provenance(result), *filter(None, [*texts, failures(result)])])
            for name, texts in parts.items() if any(texts)}


def put(name, text):
    """Between <!-- name: … --> and <!-- end --> of the document."""
    old = DOCUMENT.read_text()
    new, count = re.subn(rf"(<!-- {name}:[^\n]*-->\n).*?(<!-- end -->)", lambda m: m[1] + text + "\n" + m[2], old,
                         flags=re.S)
    if count != 1:
        raise SystemExit(f"bench: {DOCUMENT} has no place for {name}")
    DOCUMENT.write_text(new)
