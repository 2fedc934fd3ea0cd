"""What is wrong with a plugin, in one line: what was found, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass

OWN_PACKAGES = frozenset({"lopore-core", "lopore-torch", "lopore-tf", "lopore-onnx", "lopore-enhance", "lopore-app"})


@dataclass(frozen=True)
class Problem:
    """One thing wrong with one plugin. ``source`` is the distribution and version, ``stage`` where it happened.

    stage: metadata, import, version, register, list, name, or, for a plugin that works, slow and side-effect.
    mend: what to do next, on the same line.
    """

    source: str
    stage: str
    reason: str
    error: BaseException | None = None
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.source}: {self.stage}: {self.reason}{'; ' * bool(self.mend)}{self.mend}"


def is_own(source: str) -> bool:
    """Whether a source (``lopore-enhance 0.3.0``) is one of lopore's own packages."""
    return bare(source) in OWN_PACKAGES


def bare(source: str) -> str:
    """The distribution of a source, without its version."""
    return source.split(" ")[0]


def leave_out(source: str) -> str:
    """How a user goes on without it."""
    return f"LOPORE_BLOCK={bare(source)} leaves it out"


def mend_for(source: str, stage: str, error: BaseException) -> str:
    """What to do about an error of a plugin at one stage."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"pip install what brings the module {one_line(error.name)[:60]}; {leave_out(source)}"
    if stage == "import":
        return f"update or reinstall {bare(source)}; {leave_out(source)}"
    return f"its author finds it with `lopore check-plugin {bare(source)}`; {leave_out(source)}"


def one_line(text: str) -> str:
    """At most 500 letters on one line without control characters: a plugin's text must not reach a terminal raw."""
    line = " ".join(text.split())[:500]
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def describe_error(error: BaseException) -> str:
    """An error's type and text on one line."""
    try:
        text = str(error)
    except Exception:  # an error that cannot say what it is
        text = ""
    return f"{type(error).__name__}: {one_line(text)}".rstrip(": ")
