"""Links: what they are, which are valid and where they are kept."""

import re
import secrets
import sqlite3
import string
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import urlsplit

from database import Database
from problems import Fault

URL_LENGTH = 2048
CODE = re.compile(r"[0-9A-Za-z_-]{1,32}")
CODE_ALPHABET = string.digits + string.ascii_letters
CODE_LENGTH = 7  # 62**7 is 3.5e12 codes
COLUMNS = "code, url, clicks, created_at, expires_at"  # in the order of Link
RESERVED = frozenset({"health", "links"})
MOMENT = re.compile(r"([0-9-]{10}T[0-9:]{8})(?:\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})")


class CodeTakenError(Exception):
    """Another link has this code."""


@dataclass(frozen=True)
class Link:
    """A link as it is kept and shown; moments are UTC, `2031-01-02T03:04:05Z`, and sort as text."""

    code: str
    url: str
    clicks: int
    created_at: str
    expires_at: str | None

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= _format(_now())


@dataclass(frozen=True)
class Page:
    """Some links in order of code; `next` is the code to go on after, None on the last page."""

    links: list[Link]
    next: str | None


@dataclass(frozen=True)
class NewLink:
    """The body that asks for a link."""

    url: str
    code: str | None = None
    expires_at: str | None = None

    def faults(self) -> list[Fault]:
        """Lists what keeps this from becoming a link."""
        found: list[Fault] = []
        if not _is_web_address(self.url):
            wanted = f"an absolute http or https URL of at most {URL_LENGTH} ASCII characters"
            found.append(Fault("body", "url", self.url, wanted))
        if self.code is not None and not CODE.fullmatch(self.code):
            wanted = "1 to 32 letters, digits, dashes and underscores"
            found.append(Fault("body", "code", self.code, wanted))
        if self.code in RESERVED:
            wanted = f"a code other than {' and '.join(sorted(RESERVED))}"
            found.append(Fault("body", "code", self.code, wanted))
        if self.expires_at is not None and _moment(self.expires_at) is None:
            wanted = "a moment as in RFC 3339, 2031-01-02T03:04:05Z"
            found.append(Fault("body", "expires_at", self.expires_at, wanted))
        return found


class Links:
    """The links of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, new: NewLink) -> Link:
        """Keeps a link that has no faults; invents a code if it asks for none.

        Raises `CodeTakenError` if it asks for one that another link has.
        """
        while True:
            expires_at = _moment(new.expires_at) if new.expires_at is not None else None
            link = Link(new.code or _invent_code(), new.url, 0, _format(_now()), expires_at)
            try:
                self._database.write(
                    "INSERT INTO links (code, url, created_at, expires_at) VALUES (?, ?, ?, ?)",
                    link.code,
                    link.url,
                    link.created_at,
                    link.expires_at,
                )
            except sqlite3.IntegrityError:
                if new.code is not None:
                    raise CodeTakenError(new.code) from None
            else:
                return link

    def find(self, code: str) -> Link | None:
        """Returns the link of a code, expired or not."""
        rows = self._database.read(f"SELECT {COLUMNS} FROM links WHERE code = ?", code)
        return Link(*rows[0]) if rows else None

    def page(self, limit: int, after: str | None) -> Page:
        """Returns up to `limit` links, those whose codes sort after `after`."""
        rows = self._database.read(
            f"SELECT {COLUMNS} FROM links WHERE code > ? ORDER BY code LIMIT ?",
            after or "",
            limit + 1,
        )
        links = [Link(*row) for row in rows[:limit]]
        return Page(links, next=links[-1].code if len(rows) > limit else None)

    def count_click(self, code: str) -> None:
        """Adds one to a link's clicks."""
        # Not durable: a loss of power may cost the last clicks, and no visitor waits for the disk.
        self._database.write(
            "UPDATE links SET clicks = clicks + 1 WHERE code = ?", code, durable=False
        )

    def remove(self, code: str) -> bool:
        """Deletes a link; False if there is none."""
        return self._database.write("DELETE FROM links WHERE code = ?", code) > 0

    def drop_expired(self) -> int:
        """Deletes every link that has expired, and returns how many."""
        return self._database.write("DELETE FROM links WHERE expires_at <= ?", _format(_now()))


def _is_web_address(url: str) -> bool:
    if len(url) > URL_LENGTH or not re.fullmatch("[!-~]+", url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False


def _invent_code() -> str:
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))


def _moment(text: str) -> str | None:
    found = MOMENT.fullmatch(text)
    if found is None:
        return None
    try:
        # Python 3.10 knows no "Z" here and only some lengths of fractions.
        return _format(datetime.fromisoformat(found[1] + found[2].replace("Z", "+00:00")))
    except (ValueError, OverflowError):
        return None


def _format(moment: datetime) -> str:
    utc = moment.astimezone(timezone.utc)
    return utc.isoformat(timespec="seconds").replace("+00:00", "Z")


def _now() -> datetime:
    return datetime.now(timezone.utc)
