"""Every code block of the README and the documents runs, page by page in an empty folder, or says why it does not.

Lines before a block, which readers do not see: ``<!-- not run: REASON -->``, ``<!-- smaller: A = B; C = D -->`` (B
takes the place of A), ``<!-- before: COMMAND -->``, ``<!-- installed: FOLDER -->`` (the package in FOLDER is on the
path from here on, with its metadata). A block with ``title="PATH"`` is written to that file.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")])
PACKAGE_PAGES = sorted(ROOT.glob("packages/*/README.md"))
RUN = ("sh", "python")
STAYS = re.compile(r"^lopore app\b.*\n", re.MULTILINE)
"""Opens the app and stays until it is stopped: left out here; the app's own tests and tools/run_tutorial.py do it."""
SECONDS = 270
BLOCK = re.compile(r"((?:^<!-- [^\n]*-->\n)*)^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = re.compile(r"<!-- (not run|smaller|before|installed): (.*?) -->")


@dataclass(frozen=True)
class Block:
    """One fenced block with what the lines before it say."""

    line: int
    language: str
    title: str
    body: str
    marks: dict[str, list[str]] = field(default_factory=dict)

    @property
    def runs(self) -> bool:
        return not self.excuses and (bool(self.title) or self.language in RUN)

    @property
    def excuses(self) -> list[str]:
        """Reasons not to run it."""
        return [*self.marks.get("not run", []), *([] if STAYS.sub("", self.body) else ["opens the app and stays"])]

    @property
    def as_run(self) -> str:
        """The body as the test runs it; AssertionError where a smaller number has no place."""
        body = STAYS.sub("", self.body)
        for pairs in self.marks.get("smaller", []):
            for pair in pairs.split("; "):
                shown, small = pair.split(" = ")
                assert shown in body, f"line {self.line}: '{shown}' is not in the block"
                body = body.replace(shown, small)
        return body


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in BLOCK.finditer(text):
        marks: dict[str, list[str]] = {}
        for kind, said in MARK.findall(found[1]):
            marks.setdefault(kind, []).append(said)
        title = re.search(r'title="([^"]+)"', found[3])
        line = text.count("\n", 0, found.start(2)) + 1
        yield Block(line, found[2], title[1] if title else "", found[4], marks)


def script_of(page: Path, store: Path) -> str:
    """One shell script that does what a reader of the page would do; files and programs lie in ``store``."""
    lines = ["set -eu"]
    for number, block in enumerate(blocks(page)):
        lines.append(f"echo '@@ {page.name}, line {block.line}'")
        lines += list(block.marks.get("before", []))
        lines += [f"lay_open {shlex.quote(folder)}" for folder in block.marks.get("installed", [])]
        if not block.runs:
            continue
        kept = store / f"{number}.{block.language or 'txt'}"
        kept.write_text(block.as_run, encoding="utf-8")
        if block.title:
            target = shlex.quote(block.title)
            lines.append(f'mkdir -p "$(dirname {target})"; cp {shlex.quote(str(kept))} {target}')
        else:
            lines.append(f"python {shlex.quote(str(kept))}" if block.language == "python" else block.as_run)
    return "\n".join(lines) + "\n"


LAY_OPEN = """
lay_open() {
  python "$STORE/lay_open.py" "$1" "$STORE/site"
  export PYTHONPATH="$PWD/$1/src:$PWD/$1:$STORE/site${PYTHONPATH:+:$PYTHONPATH}"
}
"""
INSTALL = f"""
import sys, tomllib
from pathlib import Path
sys.path.insert(0, {str(ROOT / "tests")!r})
from made.plugins import write_metadata
facts = tomllib.loads(Path(sys.argv[1], "pyproject.toml").read_text(encoding="utf-8"))
write_metadata(Path(sys.argv[2]), facts["project"])
"""


def run_page(page: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """The page's script in an empty folder, with this environment's programs first on the path and one thread."""
    store, place = folder / "store", folder / "place"
    store.mkdir(parents=True)
    place.mkdir()
    (store / "lay_open.py").write_text(INSTALL, encoding="utf-8")
    script = store / "page.sh"
    script.write_text(LAY_OPEN + script_of(page, store), encoding="utf-8")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("LOPORE_")},
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "STORE": str(store),
        "REPOSITORY": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    return bounded(["bash", str(script)], place, environment)


def bounded(words: list[str], place: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program and all that it starts for at most ``SECONDS``; what it wrote until then is kept."""
    with subprocess.Popen(
        words, cwd=place, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as running:  # fmt: skip
        try:
            said, _ = running.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            said, _ = running.communicate()
            said += f"\nstopped after {SECONDS} s\n"
    return subprocess.CompletedProcess(words, running.returncode, said)


@pytest.fixture(scope="session")
def page_runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Path, Future[subprocess.CompletedProcess[str]]]]:
    """Every page that is asked for, two at a time."""
    chosen = [item.callspec.params for item in request.session.items if isinstance(item, pytest.Function)
              and "page_runs" in item.fixturenames]  # fmt: skip
    folder = tmp_path_factory.mktemp("pages")
    with ThreadPoolExecutor(max_workers=2) as pool:
        yield {page: pool.submit(run_page, page, folder / page.stem) for page in (item["page"] for item in chosen)}
    shutil.rmtree(folder, ignore_errors=True)


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def longest_first(page: Path) -> int:
    """Pages that train begin first, so that two at a time end together."""
    return -sum(block.as_run.count("lopore train") for block in blocks(page) if block.runs)


RUNNING = sorted((page for page in PAGES if any(block.runs for block in blocks(page))), key=longest_first)


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNING, ids=named)
def test_what_a_page_tells_to_type_works_from_its_first_block_to_its_last(
    page: Path, page_runs: dict[Path, Future[subprocess.CompletedProcess[str]]]
) -> None:
    done = page_runs[page].result()
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    for block in blocks(page):
        where = f"{named(page)}, line {block.line}"
        assert block.language, f"{where}: a block without a language; images of folders and output are 'text'"
        assert all(len(reason.split()) >= 3 for reason in block.excuses), f"{where}: say why in a few words"
        assert block.runs or block.excuses or block.language == "text", f"{where}: neither run nor opted out"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_no_code_hides_in_indented_lines(page: Path) -> None:
    plain = BLOCK.sub("", page.read_text(encoding="utf-8"))
    parts = re.split(r"\n{2,}", plain)
    for before, part in pairwise(parts):
        inside = re.match(r"( {4}|[-*:!] |\d+\. |: )", before.rsplit("\n", 1)[-1]) or ":::" in before
        assert inside or not re.match(r" {4}\S", part), f"{named(page)}: an indented block cannot be run: {part[:60]}"


def test_a_block_without_a_reason_and_one_that_fails_would_be_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text('```yaml title="a/b.yaml"\nx: 1\n```\n\n```sh\ntest "$(cat a/b.yaml)" = "x: 1"\ncd a\n```\n\n'
                    '<!-- smaller: 100 = 7 -->\n```python\nfrom pathlib import Path\n\nPath("made").write_text("100")\n'
                    '```\n\n```sh\ncat made\nfalse\necho never\n```\n')  # fmt: skip
    done = run_page(page, tmp_path / "run")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-2:] == ["@@ page.md, line 17", "7"]


@pytest.mark.parametrize("page", PACKAGE_PAGES, ids=named)
def test_the_python_of_a_package_page_runs(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        if block.language == "python" and "not run" not in block.marks:
            subprocess.run([sys.executable, "-c", block.as_run], cwd=tmp_path, check=True)
