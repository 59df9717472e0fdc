"""What an export's files, columns and words mean: the model of a mapping file (TOML)."""

from __future__ import annotations

import codecs
import datetime as dt
import tomllib
from importlib.resources import files
from pathlib import Path
from string import Formatter
from typing import Annotated, Literal, get_args

from babel import Locale, UnknownLocaleError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from agent_service.errors import PermanentError

__all__ = [
    "Activities",
    "ActivityType",
    "Clients",
    "Contacts",
    "Deals",
    "Direction",
    "Mapping",
    "MappingError",
    "Orders",
    "People",
    "Products",
    "Role",
    "Sentiment",
    "Stage",
    "Status",
    "Tasks",
    "read_mapping",
]

Stage = Literal["lead", "qualified", "proposal", "negotiation", "won", "lost"]
Role = Literal["user", "admin"]
ActivityType = Literal["email", "call", "meeting", "note"]
Status = Literal["scheduled", "completed", "cancelled"]
Direction = Literal["inbound", "outbound"]
Sentiment = Literal["positive", "neutral", "negative"]


class MappingError(PermanentError):
    """The mapping file cannot be used."""


def _check_encoding(name: str) -> str:
    """Lines are found as bytes, before decoding, so what is ASCII in a file must mean ASCII."""
    plain = bytes(range(128)) + rb"\u0041 +AGE-"
    try:
        fits = codecs.lookup(name).name and plain.decode(name) == plain.decode("ascii")
    except (LookupError, ValueError):
        fits = False
    if not fits:
        raise ValueError(
            f"{name} is not an encoding that contains ASCII. Use utf-8, cp1252 or the like; convert UTF-16."
        )
    return name


def _check_date_format(form: str) -> str:
    day = dt.datetime(2024, 11, 23)  # noqa: DTZ001 - only its digits matter
    try:
        fits = dt.datetime.strptime(day.strftime(form), form).date() == day.date()  # noqa: DTZ007
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{form!r} does not hold a whole date. Write day, month and year, such as %Y-%m-%d.")
    return form


def _check_locale(name: str) -> str:
    try:
        Locale.parse(name)
    except (UnknownLocaleError, ValueError):
        raise ValueError(f"{name!r} is not a locale. Write one such as en_US or de_DE.") from None
    return name


class _Template:
    """Checks that a template uses the fields it may use, and those it must."""

    def __init__(self, *allowed: str, needs: str | None = None) -> None:
        self._allowed, self._needs = allowed, needs

    def __call__(self, template: str) -> str:
        try:
            parts = list(Formatter().parse(template))
        except ValueError as error:
            raise ValueError(f"{template!r} is not a template: {error}.") from None
        used = [field for _, field, spec, conversion in parts if field is not None and not spec and not conversion]
        if len(used) != sum(field is not None for _, field, *_ in parts) or not set(used) <= set(self._allowed):
            raise ValueError(f"{template!r} may use {', '.join(f'{{{name}}}' for name in self._allowed)} and no more.")
        if self._needs is not None and self._needs not in used:
            raise ValueError(f"{template!r} must hold {{{self._needs}}}.")
        return template


Column = Annotated[str, Field(min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class People(_Model):
    """The sales team. `key` is what other files call a person; a manager who has no row becomes a person, too."""

    file: Column
    key: Column
    full_name: Column
    manager: Column | None = None
    email: Column | None = None
    role: Role = "user"
    manager_role: Role = "user"
    made_email: Annotated[str, AfterValidator(_Template("name", needs="name"))] = "{name}@example.com"


class Products(_Model):
    """The price list. With it, a deal's product has to be one of these."""

    file: Column
    name: Column
    price: Column | None = None


class Clients(_Model):
    """The accounts. `tags` are columns whose values become tags."""

    file: Column
    key: Column
    name: Column
    company: Column | None = None
    owner: Column | None = None
    tags: tuple[Column, ...] = ()
    language: Column | None = None
    constant_language: str | None = None


class Contacts(_Model):
    """People at clients, who are made from the names in `activities.contact`."""

    made_email: Annotated[str, AfterValidator(_Template("name", "client", needs="name"))] | None = None


class Deals(_Model):
    """The pipeline. A deal whose `client` is blank is kept without one.

    expected_close_after: days from opening to the expected close of an open deal that has none; push_by: days by which
    that date is moved on until it is not in the past. price_if_open: an open deal without an amount gets the list
    price.
    """

    file: Column
    key: Column
    client: Column
    stage: Column
    owner: Column | None = None
    product: Column | None = None
    title: Column | None = None
    amount: Column | None = None
    opened_at: Column | None = None
    closed_at: Column | None = None
    expected_close: Column | None = None
    made_title: Annotated[str, AfterValidator(_Template("product", "client", "key"))] = "{product} for {client}"
    made_title_without_client: Annotated[str, AfterValidator(_Template("product", "key"))] = "{product}"
    stages: dict[str, Stage]
    product_spellings: dict[str, str] = Field(default_factory=dict)
    expected_close_after: Annotated[int, Field(ge=0, le=3650)] | None = None
    push_by: Annotated[int, Field(ge=1, le=3650)] | None = None
    price_if_open: bool = False


class Activities(_Model):
    """What happened, or was to happen, with a client. Words without a table of theirs have to be ours already."""

    file: Column
    client: Column
    type: Column
    occurred_at: Column
    key: Column | None = None
    contact: Column | None = None
    status: Column | None = None
    direction: Column | None = None
    sentiment: Column | None = None
    subject: Column | None = None
    content: Column | None = None
    made_subject: Annotated[str, AfterValidator(_Template("type", "contact", "client"))] = "{type}"
    types: dict[str, ActivityType]
    statuses: dict[str, Status] = Field(default_factory=lambda: {word: word for word in get_args(Status)})
    directions: dict[str, Direction] = Field(default_factory=lambda: {word: word for word in get_args(Direction)})
    sentiments: dict[str, Sentiment] = Field(default_factory=lambda: {word: word for word in get_args(Sentiment)})


class Orders(_Model):
    """Orders, which are made from won deals that have a client and an amount."""

    number: Annotated[str, AfterValidator(_Template("deal", needs="deal"))] = "{deal}"


class Tasks(_Model):
    """Open tasks, one for every scheduled activity, due some days after it."""

    title: Annotated[str, AfterValidator(_Template("type", "contact", "client"))] = "Follow up on the {type}"
    due_after: Annotated[int, Field(ge=0, le=3650)] = 0
    priority: Literal["low", "medium", "high"] = "medium"


class Mapping(_Model):
    """A whole mapping file. A section that is not there is not loaded or made."""

    encoding: Annotated[str, AfterValidator(_check_encoding)] = "utf-8"
    delimiter: Literal[",", ";", "\t", "|"] = ","
    date_formats: Annotated[tuple[Annotated[str, AfterValidator(_check_date_format)], ...], Field(min_length=1)]
    number_locale: Annotated[str, AfterValidator(_check_locale)] = "en_US"
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "USD"
    people: People
    clients: Clients
    products: Products | None = None
    contacts: Contacts | None = None
    deals: Deals | None = None
    activities: Activities | None = None
    orders: Orders | None = None
    tasks: Tasks | None = None


def read_mapping(path: Path | None = None) -> Mapping:
    """Return the mapping of a TOML file, or the packaged one for the sales export.

    Raises MappingError naming every fault at once.
    """
    source = files(__package__) / "mappings" / "crm_sales.toml" if path is None else path
    try:
        # Tuples are arrays in TOML, which a strict model takes from JSON only.
        document = tomllib.loads(source.read_text("utf-8"))
        return Mapping.model_validate(_with_tuples(document))
    except OSError as error:
        raise MappingError(f"{source} cannot be read: {error.strerror or error}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MappingError(f"{source} is not a TOML file: {error}.") from error
    except ValidationError as error:
        faults = [f"  {'.'.join(map(str, fault['loc']))}: {_sentence(fault['msg'])}" for fault in error.errors()]
        raise MappingError("\n".join([f"{source} cannot be used:", *faults])) from error


def _with_tuples(value: object) -> object:
    if isinstance(value, dict):
        return {key: _with_tuples(item) for key, item in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ").replace("Extra inputs are not permitted", "there is no such setting")
    return text if text.endswith(".") else f"{text}."
