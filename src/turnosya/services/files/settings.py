"""What can be set for files."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, TypeAdapter, ValidationError, field_validator

from turnosya.runtime.links import LinkSettings

OPTIONS = TypeAdapter(dict[str, str])


class FilesSettings(LinkSettings):
    """Settings of the file service."""

    files_store_url: str = Field(
        "",
        pattern=r"^((file|s3|gs|az|azure)://.+)?$",
        description="Where files are kept: a folder (file:///…) or a bucket (s3://…, gs://…, az://…); by"
        " default a folder beside the data of the embedded run.",
    )
    files_store_options: SecretStr = Field(
        SecretStr("{}"),
        description="Credentials and the like of the bucket as a JSON object of texts, by obstore's names;"
        " what is not here is taken from the provider's usual variables.",
    )
    files_spool: Path | None = Field(
        None, description="The folder on a local disk in which uploads arrive; by default beside the data."
    )
    files_kept_hours: float = Field(24.0, gt=0, description="How long an upload that nothing uses is kept.")
    files_link_minutes: float = Field(
        5.0, gt=0, le=60, description="How long a signed link to a private file works."
    )
    files_decode_s: float = Field(10.0, gt=0, description="How long an image or document may be worked on.")

    @field_validator("files_store_options")
    @classmethod
    def _check(cls, value: SecretStr) -> SecretStr:
        # What is wrong with it must not be shown: it holds secrets.
        try:
            OPTIONS.validate_json(value.get_secret_value())
        except ValidationError:
            raise ValueError("must be a JSON object of texts") from None
        return value
