"""How the router runs: one typed tree, from `transire.yaml` and the environment.

What is *governed* (deployments, prices, thresholds, rules) stands in `policies/` and is no setting.
Order: defaults < file < environment (`TRANSIRE_SECTION__NAME`). Unknown keys fail. Secrets come
from the environment or from files, never from the command line, and never appear in output.
"""

import os
from pathlib import Path
from typing import Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    YamlConfigSettingsSource,
)

from transire.errors import RequestError

__all__ = [
    "LOG_NAME",
    "CacheSettings",
    "DetectionSettings",
    "GovernanceSettings",
    "LimitSettings",
    "LogSettings",
    "ObserveSettings",
    "ServerSettings",
    "Settings",
    "UpstreamSettings",
    "load_settings",
]

LOG_NAME: Final = r"^[^\s+]{1,200}$"
"""What may name a log (c2sp.org/signed-note: a key name holds no space and no plus)."""


_PRIVATE: Final = frozenset(
    {"data", "host", "admin_host", "origin", "replica", "secrets", "secrets_dir", "policies"}
    | {"first_person"}
)
"""Settings that say where, who or what an installation is."""
_STARS: Final = "**********"
_PREFIX: Final = "TRANSIRE_"
_NESTED: Final = "__"
_SECRETS_VARIABLE: Final = "TRANSIRE_UPSTREAM__SECRETS"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSettings(_Section):
    """Where callers reach the router, and how large their requests may be."""

    host: str = Field("127.0.0.1", description="Address of the API.", examples=["10.0.0.5"])
    port: int = Field(8080, ge=0, le=65535, description="Port of the API; 0 picks a free one.")
    admin_host: str = Field("127.0.0.1", description="Address of /metrics; keep it private.")
    admin_port: int = Field(9090, ge=0, le=65535, description="Port of /metrics; 0 picks one.")
    max_body_bytes: int = Field(8 * 1024 * 1024, ge=1024, description="Largest request body.")
    max_connections: int = Field(
        1_000,
        ge=1,
        description="Open connections of one listener; beyond it, the one that has waited longest "
        "for its caller is closed. Keep it below what the system lets a process open.",
    )
    head_s: float = Field(10.0, gt=0, description="Seconds a request's head may take to arrive.")


class LogSettings(_Section):
    """The decision log."""

    origin: str = Field(
        "transire.local/log",
        pattern=LOG_NAME,
        description="The log's name in every checkpoint; fixed when the log is created.",
        examples=["transire.acme.example/log"],
    )
    replica: str = Field("r1", pattern=r"^[a-z0-9-]{1,32}$", description="This process's name.")
    queue_size: int = Field(4096, ge=1, description="Entries that may wait; more are refused.")
    commit_timeout_s: float = Field(5.0, gt=0, description="Seconds to wait for durability.")
    writer: Literal["process", "thread"] = Field(
        "process",
        description="Where entries are signed and written: a process of its own, which alone holds "
        "the signing key, or a thread of this one, slower by a fifth and some 60 MB smaller.",
    )
    linger_ms: int = Field(5, ge=0, le=1000, description="How long outcomes wait for company.")


class DetectionSettings(_Section):
    """Where scans run; what they look for is governed."""

    inline_max_chars: int = Field(4000, ge=0, description="Longer texts go to a worker process.")
    workers: int = Field(1, ge=1, le=64, description="Worker processes, about 120 MB each.")
    queue: int = Field(64, ge=1, description="Long scans that may wait; more fail closed.")
    name_threads: int = Field(1, ge=1, le=64, description="Requests read for names at once.")
    name_queue: int = Field(256, ge=1, description="Requests that may wait; more fail closed.")


class CacheSettings(_Section):
    """Where answers are kept that policy permits to keep; whether and how long is governed."""

    where: Literal["off", "memory", "file"] = Field(
        "memory",
        description="`memory` forgets at a stop, `file` keeps `DATA/answers.sqlite`, `off` keeps "
        "nothing whatever policy says. Encrypted in each case.",
    )
    max_bytes: int = Field(64 * 1024 * 1024, ge=4096, description="Bytes of all kept answers.")
    max_answer_bytes: int = Field(
        256 * 1024, ge=256, description="Longer answers are not kept, in bytes of their text."
    )


class LimitSettings(_Section):
    """Admission, before any content is read."""

    in_flight: int = Field(512, ge=1, description="Requests in this process at once.")
    per_key: int = Field(64, ge=1, description="Requests of one credential at once.")
    rate_per_s: float = Field(200.0, gt=0, description="Requests of one credential per second.")
    burst: int = Field(400, ge=1, description="Requests of one credential after a pause.")
    reviews_per_key: int = Field(64, ge=1, description="Open reviews of one credential.")
    reviews_per_tenant: int = Field(256, ge=1, description="Open reviews of one tenant.")
    escalations_per_s: float = Field(
        0.5, gt=0, description="Escalations of one credential per second."
    )
    escalations_burst: int = Field(
        30, ge=1, description="Escalations of one credential after a pause."
    )
    application_escalations_per_s: float = Field(
        2.0, gt=0, description="Escalations of all credentials of one application per second."
    )
    application_escalations_burst: int = Field(
        120, ge=1, description="Escalations of one application after a pause."
    )
    shadows: int = Field(4, ge=1, description="Copies for shadows on their way at once.")
    shadows_waiting: int = Field(
        16, ge=0, description="Copies that may wait for a place; what finds none is not copied."
    )
    shadow_s: float = Field(60.0, gt=0, description="Seconds a copy may take.")
    judgments: int = Field(8, ge=1, description="Answers that are put to judges at once.")
    judgments_waiting: int = Field(
        32,
        ge=1,
        description="Drawn answers that may wait to be judged; what finds no place is not judged.",
    )
    failures_per_s: float = Field(
        1.0, gt=0, description="Failed authentications of one address per second."
    )


class UpstreamSettings(_Section):
    """What upstreams may do to us, and the secrets they ask for."""

    connect_s: float = Field(5.0, gt=0, description="Seconds to connect.")
    retry_share: float = Field(
        0.2, ge=0, le=1, description="Share of all requests that may be tried again."
    )
    retries_per_s: float = Field(
        5.0, ge=0, description="Further attempts a second that are allowed in any case."
    )
    retries_saved: int = Field(
        100, ge=1, description="Further attempts that may follow one another at once."
    )
    idle_s: float = Field(60.0, gt=0, description="Seconds between two pieces of an answer.")
    max_bytes: int = Field(32 * 1024 * 1024, ge=1024, description="Largest answer.")
    secrets: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="Deployment credential name → key; prefer `secrets_dir` or the environment.",
    )
    secrets_dir: Path | None = Field(
        None,
        description="Folder with one file per credential name, readable by us alone; a replaced "
        "file counts within ten seconds.",
    )


class GovernanceSettings(_Section):
    """What the first start founds; later changes go through bundles."""

    policies: Path = Field(Path("policies"), description="Folder that init and SIGHUP propose.")
    mode: Literal["solo", "team"] = Field("team", description="Fixed at genesis.")
    first_person: str | None = Field(
        None, description="Who gets the first credential; needs a role that may invite."
    )


class ObserveSettings(_Section):
    """The operational log (not the audit log): JSON lines on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level.")


class Settings(BaseSettings):
    """All of it."""

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter=_NESTED, extra="forbid", frozen=True
    )

    data: Path = Field(Path("data"), description="Folder of the log, its key and its guard.")
    server: ServerSettings = ServerSettings()  # type: ignore[call-arg] # defaults of all fields
    log: LogSettings = LogSettings()  # type: ignore[call-arg]
    detection: DetectionSettings = DetectionSettings()  # type: ignore[call-arg]
    cache: CacheSettings = CacheSettings()  # type: ignore[call-arg]
    limits: LimitSettings = LimitSettings()  # type: ignore[call-arg]
    upstream: UpstreamSettings = UpstreamSettings()  # type: ignore[call-arg]
    governance: GovernanceSettings = GovernanceSettings()  # type: ignore[call-arg]
    observe: ObserveSettings = ObserveSettings()  # type: ignore[call-arg]

    def redacted(self) -> dict[str, Any]:
        """The tree as it may be shown to strangers: no secret, and nothing of this installation.

        Numbers, modes and levels stay; names of credentials, folders, addresses, the log's name and
        people are stars.
        """
        return {
            section: _starred(value, section)
            for section, value in self.model_dump(mode="json").items()
        }

    def secret_places(self) -> dict[str, str]:
        """Credential name → where it comes from; never what it is."""
        variables = sorted(
            n
            for n in os.environ
            if n.upper().startswith(_SECRETS_VARIABLE) and not n.upper().endswith("_DIR")
        )
        given = f"`{', '.join(variables)}`" if variables else "the settings file"
        places = dict.fromkeys(sorted(self.upstream.secrets), given)
        folder = self.upstream.secrets_dir
        if folder is not None and folder.is_dir():
            files = (path for path in sorted(folder.iterdir()) if path.is_file())
            places = {path.name: str(path) for path in files} | places
        return places


def _starred(value: Any, name: str) -> Any:
    if isinstance(value, dict) and name not in _PRIVATE:
        return {key: _starred(inner, key) for key, inner in value.items()}
    return _STARS if name in _PRIVATE and value else value


def load_settings(file: Path | None, **overrides: Any) -> Settings:
    """Read file and environment.

    Args:
        file: `transire.yaml`; paths in it are relative to its folder. None reads no file.
        overrides: Values that win over both, by section.

    Raises:
        RequestError: the file is missing or not YAML, or a key or value is wrong; the message
            names every path.
    """
    if file is not None and not file.is_file():
        raise RequestError(f"no settings file at `{file}`; `transire init DIR` writes one")

    class _FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            del dotenv_settings, file_secret_settings
            sources = [init_settings, env_settings]
            if file is not None:
                sources.append(YamlConfigSettingsSource(settings_cls, yaml_file=file))
            return tuple(sources)

    try:
        settings = _FromFile(**overrides)
    except ValidationError as error:
        problems = [
            f"`{'.'.join(map(str, item['loc']))}`: {item['msg'].lower()}"
            for item in error.errors(include_url=False, include_input=False)
        ]
        raise RequestError("settings: " + "; ".join(problems)) from None
    except SettingsError:
        raise RequestError(
            "settings: a value of the environment's `TRANSIRE_…` is not the JSON that its key takes"
        ) from None
    except (yaml.YAMLError, TypeError, ValueError):
        raise RequestError(f"settings: `{file}` is not a YAML mapping") from None
    _refuse_unknown_variables()
    return settings if file is None else _resolved(settings, file.resolve().parent)


def _refuse_unknown_variables() -> None:
    """The settings' own reading of the environment passes over sections that do not exist."""
    known = {f"{_PREFIX}{section}".upper() for section in Settings.model_fields}
    for name in os.environ:
        section, is_nested, _ = name.upper().partition(_NESTED)
        if is_nested and section.startswith(_PREFIX) and section not in known:
            raise RequestError(f"settings: `{name}` of the environment names no section")
        meant = next((s for s in known if section.startswith(f"{s}_") and not is_nested), None)
        if meant is not None and section not in known:
            rest = section.removeprefix(f"{meant}_")
            key = f"{meant}{_NESTED}{rest}"
            raise RequestError(f"settings: `{name}` of the environment is no key; mean `{key}`?")


def _resolved(settings: Settings, folder: Path) -> Settings:
    governance = settings.governance.model_copy(
        update={"policies": folder / settings.governance.policies}
    )
    changes: dict[str, Any] = {"data": folder / settings.data, "governance": governance}
    if settings.upstream.secrets_dir is not None:
        secrets_dir = folder / settings.upstream.secrets_dir
        changes["upstream"] = settings.upstream.model_copy(update={"secrets_dir": secrets_dir})
    return settings.model_copy(update=changes)
