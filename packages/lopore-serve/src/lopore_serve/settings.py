"""What the service may do, and how much of it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from lopore.errors import ConfigError

SMALLEST_TOKEN = 16


class InboxSettings(BaseModel):
    """folder: watched for films. out: gets a report a film. model: who inspects; None where one model is served.

    profile: rules in YAML. dicom_port: where senders of DICOM reach the folder; None for no listener. dicom_title: the
    AE title that they call. dicom_calling: AE titles that may call; none for any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path
    out: Path
    model: str | None = None
    profile: Path | None = None
    dicom_port: int | None = Field(None, ge=1, le=65535)
    dicom_address: str = "127.0.0.1"
    dicom_title: str = Field("LOPORE", pattern=r"^[ -\[\]-~]{1,16}$")
    dicom_calling: tuple[str, ...] = ()


class ServiceSettings(BaseModel):
    """max_upload_mb: of one request. queue: images of one model that may wait. seconds: an answer may take so long.

    records: folder or address of the records; None writes nothing. film_jobs: films that may wait or run at a time.
    kept_results: finished jobs whose result is remembered.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[str, ...] = ()
    token: str | None = None
    max_upload_mb: float = Field(200.0, gt=0, le=10_000)
    queue: int = Field(256, ge=1, le=100_000)
    seconds: float = Field(60.0, gt=0, le=3600)
    film_jobs: int = Field(16, ge=1, le=1000)
    kept_results: int = Field(64, ge=1, le=10_000)
    records: str | None = None
    inbox: InboxSettings | None = None
    device: str = "auto"
    threads: int | None = Field(None, ge=1, le=256)

    @property
    def max_upload_bytes(self) -> int:
        """The limit of one request in bytes."""
        return int(self.max_upload_mb * (1 << 20))


def read_token(path: Path) -> str:
    """The token in a file, without white space around it; ConfigError for one that is short, or no text."""
    try:
        token = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the token file {path} cannot be read ({error}); name a text file") from None
    if len(token) < SMALLEST_TOKEN or any(letter.isspace() for letter in token):
        raise ConfigError(
            f"the token in {path} has {len(token)} letters; at least {SMALLEST_TOKEN} without blanks are needed"
        )
    return token
