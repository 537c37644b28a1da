"""Builds everything and runs every runner: formatting, README.md's tables, unit tests, chains made at random,
end to end, faults, containers.

scripts/test calls it, with the name of what to run or nothing. Each runner adds to one Tally, whose last line is
the summary. What is skipped is said by name and reason; logs and reports are in build/test/.
"""

import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parents[2]
FLOORS = sorted(folder.name for folder in (ROOT / "tests/unit").iterdir() if folder.is_dir())
PRESETS = ["dev", "asan", "release"]
CLANG_FORMAT = "clang-format-19"


class Tally:
    def __init__(self):
        self.passed = 0
        self.failures = []
        self.skips = []
        self.lock = threading.Lock()

    def ok(self, count=1):
        with self.lock:
            self.passed += count

    def fail(self, name, detail=""):
        with self.lock:
            self.failures.append(name)
            print(f"FAILED  {name}" + (f"\n{detail.rstrip()}\n" if detail else ""), flush=True)

    def skip(self, name, reason):
        with self.lock:
            self.skips.append(f"{name}: {reason}")

    def summary(self):
        for skip in sorted(set(self.skips)):
            print(f"SKIPPED {skip}")
        for failure in self.failures:
            print(f"FAILED  {failure}")
        print(f"{self.passed} passed, {len(self.failures)} failed, {len(self.skips)} skipped", flush=True)


tally = Tally()


def tail(text, lines=60):
    return "\n".join(text.splitlines()[-lines:])


def run(command, log, timeout=1800, **kwargs):
    """The command's exit status and output; the output is also in build/test/<log>."""
    path = ROOT / "build/test" / log
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w+", errors="replace") as file:
        try:
            status = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=file, timeout=timeout,
                                    stderr=subprocess.STDOUT, **kwargs).returncode
        except subprocess.TimeoutExpired:
            status = "timeout"
        file.seek(0)
        return status, file.read()


def build(preset):
    folder = ROOT / "build" / preset
    if not (folder / "build.ninja").exists() or "PORTCULLIS_WERROR:BOOL=ON" not in (folder / "CMakeCache.txt").read_text():
        status, out = run(["cmake", "--preset", preset, "-DPORTCULLIS_WERROR=ON"], f"configure-{preset}.log")
        if status != 0:
            tally.fail(f"configure {preset}", tail(out))
            return False
    status, out = run(["cmake", "--build", str(folder)], f"build-{preset}.log")
    if status != 0:
        # What is wrong, rather than what happened to be compiled last.
        wrong = [line for line in out.splitlines() if "error" in line or "FAILED" in line or "undefined" in line]
        tally.fail(f"build {preset}", "\n".join(wrong[:40]) or tail(out))
        return False
    tally.ok()
    return True


def check_format():
    files = [str(f) for top in ("src", "include", "tests") for f in sorted((ROOT / top).rglob("*.[ch]"))]
    if not files:
        return tally.skip("format", "no C files")
    if not shutil.which(CLANG_FORMAT):
        return tally.skip("format", f"{CLANG_FORMAT} is not installed")
    status, out = run([CLANG_FORMAT, "--dry-run", "-Werror", *files], "format.log")
    if status == 0:
        return tally.ok()
    wrong = sorted({line.split(":")[0] for line in out.splitlines() if "clang-format-violations" in line})
    tally.fail("format", "\n".join(f"  {pathlib.Path(f).relative_to(ROOT)}" for f in wrong)
               + f"\n  {CLANG_FORMAT} -i repairs them")


def check_readme():
    status, out = run([sys.executable, "scripts/readme-tables", "--check"], "readme.log")
    if status == 0:
        return tally.ok()
    return tally.fail("readme", out)


def unit(preset, floor, name):
    program = ROOT / "build" / preset / f"test_{floor}"
    label = f"unit {preset} {floor}"
    report = ROOT / "build/test" / f"unit-{preset}-{floor}.xml"
    if not list((ROOT / "tests/unit" / floor).glob("test_*.c")):
        return
    if not program.exists():
        return tally.skip(label, f"build/{preset}/test_{floor} was not built (is Criterion there?)")
    report.unlink(missing_ok=True)
    command = [str(ROOT / "tests/support/run-unit"), str(program), f"--xml={report}", "--short-filename"]
    if name not in ("unit", floor, f"test_{floor}"):
        command.append(f"--filter=@(*{name}*/*|*/*{name}*)")
    status, out = run(command, f"unit-{preset}-{floor}.log", timeout=900)
    failed = 0
    if report.exists():
        for suite in xml.parse(report).getroot().iter("testsuite"):
            for case in suite.iter("testcase"):
                test = f"{label}: {suite.get('name')}::{case.get('name')}"
                if case.get("status") == "PASSED":
                    tally.ok()
                elif case.get("status") == "SKIPPED" and not name:
                    tally.skip(test, "the test says so")
                elif case.get("status") != "SKIPPED":
                    failed += 1
                    tally.fail(test)
    if failed:
        print(tail(out), flush=True)
    elif status != 0:
        tally.fail(f"{label}: exit status {status}, see build/test/unit-{preset}-{floor}.log", tail(out))


def differential():
    """Some of the chains made at random; "differential 1 100000" has the others."""
    program = ROOT / "build/asan/differential"
    if not program.exists():
        return tally.skip("differential", "build/asan/differential was not built (CRYPTO_ENGINE=openssl has it)")
    status, out = run([str(program), "1", "500"], "differential.log", timeout=600)
    return tally.ok() if status == 0 else tally.fail(f"differential: exit status {status}", tail(out))


def e2e(preset, name, ran):
    label = f"e2e {preset}"
    program = ROOT / "build" / preset / "portcullis"
    if not list((ROOT / "tests/e2e").glob("test_*.py")):
        return tally.skip(label, "no tests there")
    if not program.exists():
        return tally.skip(label, f"build/{preset}/portcullis does not exist")
    report = ROOT / "build/test" / f"e2e-{preset}.xml"
    report.unlink(missing_ok=True)
    scratch = ROOT / "build/test" / f"e2e-{preset}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}",
               f"--basetemp={scratch}", "tests/e2e"]
    if name not in ("", "e2e"):
        command += ["-k", name.removesuffix(".py").split("/")[-1].split("::")[-1]]
    environment = dict(os.environ, PORTCULLIS_BIN=str(program), PYTHONDONTWRITEBYTECODE="1")
    status, out = run(command, f"e2e-{preset}.log", timeout=2400, env=environment)
    if status == 5:  # Nothing selected.
        return None
    ran.append(label)
    failed = 0
    if report.exists():
        for case in xml.parse(report).getroot().iter("testcase"):
            test = f"{label}: {case.get('classname')}::{case.get('name')}"
            skipped = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                failed += 1
                tally.fail(test)
            elif skipped is not None:
                tally.skip(test, skipped.get("message", ""))
            else:
                tally.ok()
    if failed:
        print(tail(out, 150), flush=True)
    elif status != 0:
        tally.fail(f"{label}: pytest ended with {status}", tail(out))
    # What a sanitizer wrote of a program that was gone before its test could look.
    for found in sorted(scratch.rglob("asan*")) if scratch.exists() else []:
        if found.is_file() and "ERROR: " in found.read_text(errors="replace"):
            tally.fail(f"{label}: {found.relative_to(scratch)}", tail(found.read_text(errors="replace"), 40))
    return None


def faults():
    """The quick half of tests/faults/run: one line for each case, and what was wrong below it."""
    program = ROOT / "build/release/portcullis"
    if not program.exists():
        return tally.skip("faults", "build/release/portcullis does not exist")
    status, out = run([sys.executable, "tests/faults/run", "--quick", f"--program={program}"], "faults.log", timeout=180)
    lines = out.splitlines()
    tally.ok(sum(line.startswith("ok ") for line in lines))
    for line in lines:
        if line.startswith("FAILED "):
            tally.fail(f"faults: {line.split()[1]}")
    if status != 0:
        tally.fail("faults: see build/test/faults.log", tail(out))


def compose():
    script = ROOT / "tests/compose/run"
    if not script.exists():
        return tally.skip("compose", "tests/compose/run does not exist")
    status, out = run([str(script)], "compose.log")
    if status == 0:
        return tally.ok()
    if status == 77:
        return tally.skip("compose", (out.strip().splitlines() or ["it says so"])[-1])
    return tally.fail(f"compose: exit status {status}", tail(out))


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    started = time.monotonic()
    os.environ.setdefault("CLICOLOR_FORCE", "0")

    if name in ("", "format"):
        check_format()
    if name in ("", "readme"):
        check_readme()
    if name in ("format", "readme"):
        return
    if name != "compose":
        # One after the other: ninja itself uses every core.
        built = [preset for preset in PRESETS if build(preset)]
        print(f"built {', '.join(built) or 'nothing'} in {time.monotonic() - started:.0f} s", flush=True)

        ran = []
        with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
            jobs = []
            if not name.startswith(("test_", "tests/e2e")) and name not in ("differential", "e2e", "faults"):
                floors = [name] if name in FLOORS else FLOORS
                jobs += [pool.submit(unit, p, f, name) for p in ("dev", "asan") for f in floors if p in built]
            if name in ("", "differential") and "asan" in built:
                jobs.append(pool.submit(differential))
            if name not in ("unit", "differential", "faults", *FLOORS):
                # The slower first.
                jobs[:0] = [pool.submit(e2e, p, name, ran) for p in ("asan", "release") if p in built]
            for job in jobs:
                job.result()
        # By itself: it measures memory and descriptors of a busy program.
        if name in ("", "faults") and "release" in built:
            faults()
    if name in ("", "compose"):
        compose()


if __name__ == "__main__":
    main()
    tally.summary()
    sys.exit(1 if tally.failures else 0)
