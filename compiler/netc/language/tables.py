"""The base of every table that an author writes, and small tables that several others hold."""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from netc.language.key_files import key_file
from netc.language.names import CredentialName, HostPath, Wrong


class Table(BaseModel):
    """Frozen. An unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Secret(Table):
    """Where a host finds a secret: a path on it, or a systemd credential. Never the secret itself."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    file: HostPath | None = Field(None, description="The path of a file on the host that only root can read.")
    credential: CredentialName | None = Field(None, description="The name of a systemd credential (systemd.exec(5)).")

    @model_validator(mode="after")
    def _one_of_the_two(self) -> "Secret":
        if (self.file is None) == (self.credential is None):
            raise Wrong(
                "NC0115",
                "a secret needs either `file` or `credential`, and has both or none",
                f'write `{{ file = "{key_file("NAME.key")}" }}` or `{{ credential = "NAME" }}`',
            )
        return self
