"""Acceptance profiles: rules over indications in a YAML file that the user writes and owns.

lopore ships no limit of any standard: who applies one enters the limits of the own, valid edition.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from lopore.config.yaml_loader import MAX_YAML_BYTES, parse_yaml
from lopore.errors import ConfigError
from lopore.messages import did_you_mean, plain
from lopore.validation import explain_validation

from .limits import Limit

Measure = Literal["length", "width", "diameter", "area"]
Check = Literal["not_permitted", "largest", "sum", "area_share", "count", "distance"]
UNITS: dict[str, tuple[str, ...]] = {
    "largest": ("mm", "mm2", "px", "px2"),
    "sum": ("mm", "mm2", "px", "px2"),
    "area_share": ("%",),
    "count": (),
    "distance": ("mm", "px"),
    "not_permitted": (),
}
VARIABLE = r"^[a-z][a-z0-9_]{0,39}$"


def _text_of_number(value: Any) -> Any:
    return str(value) if type(value) in (int, float) else value


Formula = Annotated[str, BeforeValidator(_text_of_number)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Variable(_Part):
    """A value that the user gives for each film, such as the thickness."""

    unit: str = Field("mm", max_length=20)
    description: str = Field("", max_length=500)


class Rule(_Part):
    """One rule. It looks at the indications that ``applies_to`` names and compares one value with a limit.

    applies_to: class names or ISO 6520-1 numbers; empty means every indication. clusters: whether the marks of a
    cluster
    or line count each, or as one mark of the group's size. smallest: marks under it (by ``measure``) are not looked at.
    within: length along the film of a stretch, for sum, count and area_share; missing means the whole film.
    height: of an area_share's window across the film.
    """

    name: str = Field(min_length=1, max_length=200)
    check: Check | None = None
    any_of: tuple[Rule, ...] = ()
    applies_to: tuple[Formula, ...] = ()
    measure: Measure = "length"
    limit: Formula | None = None
    unit: str | None = None
    within: Formula | None = None
    height: Formula | None = None
    smallest: Formula | None = None
    clusters: Literal["each", "as_one"] = "each"
    note: str = Field("", max_length=1000)

    @model_validator(mode="after")
    def _is_whole(self) -> Rule:
        if bool(self.any_of) == (self.check is not None):
            raise ValueError(f"rule '{plain(self.name, 60)}' has either a check or any_of with other rules")
        if self.any_of:
            return self
        assert self.check is not None
        units, name = UNITS[self.check], plain(self.name, 60)
        if self.check == "not_permitted":
            if self.limit is not None or self.unit is not None:
                raise ValueError(f"rule '{name}': not_permitted takes no limit and no unit")
            return self
        if self.limit is None:
            raise ValueError(f"rule '{name}': {self.check} needs a limit")
        if units and self.unit not in units:
            raise ValueError(
                f"rule '{name}': unit {self.unit!r} is not known here; {self.check} takes {', '.join(units)}"
            )
        if not units and self.unit is not None:
            raise ValueError(f"rule '{name}': {self.check} takes no unit")
        if self.unit in ("mm2", "px2") and self.measure != "area" and self.check in ("largest", "sum"):
            raise ValueError(f"rule '{name}': unit {self.unit} belongs to measure: area, not {self.measure}")
        if self.unit in ("mm", "px") and self.measure == "area" and self.check in ("largest", "sum"):
            raise ValueError(f"rule '{name}': measure area takes unit mm2 or px2, not {self.unit}")
        if self.check == "area_share" and (self.within is None or self.height is None):
            raise ValueError(f"rule '{name}': area_share needs its window: within (along) and height (across), in mm")
        return self

    @property
    def limits(self) -> dict[str, Limit]:
        """The formulas by field."""
        named = {"limit": self.limit, "within": self.within, "height": self.height, "smallest": self.smallest}
        return {field: Limit.parse(text) for field, text in named.items() if text is not None}


class Profile(_Part):
    """A user's rules. title, source and edition say whose; ``sha256`` is of the file as it was read."""

    title: str = Field(min_length=1, max_length=200)
    source: str = Field(min_length=1, max_length=500)
    edition: str = Field("", max_length=200)
    invented: bool = Field(False, description="True marks limits that were made up, for examples")
    variables: dict[Annotated[str, Field(pattern=VARIABLE)], Variable] = Field(default_factory=dict)
    iso_6520: dict[str, Formula] = Field(default_factory=dict, description="Class name to ISO 6520-1 number")
    rules: tuple[Rule, ...] = Field(min_length=1, max_length=500)
    sha256: str = ""


def read_profile(path: Path) -> Profile:
    """A profile from YAML; ConfigError in one line for what it has wrong, naming the rule."""
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path} is no regular file; name a profile in YAML")
        with path.open("rb") as stream:
            content = stream.read(MAX_YAML_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}); name a profile in YAML") from None
    return profile_of_bytes(content, source=str(path))


def profile_of_bytes(content: bytes, *, source: str) -> Profile:
    """A profile from the bytes of a YAML file, with their sha256; ConfigError names ``source``."""
    if len(content) > MAX_YAML_BYTES:
        raise ConfigError(f"{source} is too large; a profile has at most {MAX_YAML_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{source} is no text in UTF-8; save it as UTF-8") from None
    profile = parse_profile(parse_yaml(text, source=source), source=source)
    return profile.model_copy(update={"sha256": hashlib.sha256(content).hexdigest()})


def parse_profile(data: Any, *, source: str) -> Profile:
    """A profile from plain data; ConfigError names ``source``."""
    if not isinstance(data, dict):
        raise ConfigError(f"{source} holds no profile; it begins with title:, source: and rules:")
    try:
        profile = Profile.model_validate({key: value for key, value in data.items() if key != "sha256"})
    except ValidationError as error:
        raise ConfigError(f"{source}: {explain_validation(error, Profile)}") from None
    for rule in profile.rules:
        _check_formulas(rule, profile, source)
    return profile


def _check_formulas(rule: Rule, profile: Profile, source: str) -> None:
    where = f"{source}, rule '{plain(rule.name, 60)}'"
    for part in rule.any_of:
        _check_formulas(part, profile, source)
    try:
        formulas = rule.limits
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    for name in sorted(set().union(*(formula.variables for formula in formulas.values()))):
        if name not in profile.variables:
            known = ", ".join(profile.variables) or "none"
            near = did_you_mean(name, profile.variables) or f"; declare it under variables (there are {known})"
            raise ConfigError(f"{where}: there is no variable '{plain(name, 60)}'{near}")
