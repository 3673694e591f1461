"""Calls over a link: authorised, sent again where that is harmless; lists to their end; watches that survive a loss."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator

from ultracloud.cli.core.failures import Failure, UnreachableFailure
from ultracloud.cli.core.problems import Refusal, refusal
from ultracloud.cli.core.requests import Request
from ultracloud.cli.core.retries import Outcome, next_wait_s, parse_retry_after
from ultracloud.cli.core.trees import Json, items_at, text_at
from ultracloud.cli.shell.link import Answer, Link, NotSentFailure

PAGE_ITEMS = 500
PAGES_MAX = 2000
"""A million items: more are asked for with --limit and a selector."""
WATCH_LOSSES_MAX = 8
"""In a row, without an event between them."""
GONE, UNAUTHORIZED, TOO_MANY = 410, 401, 429
REDIRECTS, REFUSALS = 300, 400
"""Where these statuses begin."""

Authorise = Callable[[bool], str]
"""Gives the Authorization header, empty for none; True asks for a new token because the last one was refused."""


class Client:
    """What commands call.

    Args:
        link: The connection.
        authorise: Who we are.
        tell: Takes a word for a person who waits.
        persistent: Whether what failed is sent again.
    """

    def __init__(
        self,
        link: Link,
        authorise: Authorise,
        tell: Callable[[str], None] = lambda _text: None,
        *,
        persistent: bool = True,
    ) -> None:
        self.link = link
        self._is_persistent = persistent
        self._authorise = authorise
        self._tell = tell

    def call(self, request: Request) -> Json:
        """The answer's JSON; None if it has no content.

        Raises:
            Refusal: The server said no.
            UnreachableFailure: No answer, after as many attempts as are harmless.
        """
        return _parse(self.answer(request))

    def answer(self, request: Request) -> Answer:
        """The answer of a request that was not refused."""
        answer = self._persistent(request)
        if answer.status == UNAUTHORIZED and (header := self._authorise(True)):
            answer = self._persistent(request, header)
        if answer.status >= REDIRECTS:
            raise _refused(answer)
        return answer

    def pages(self, request: Request, limit: int = 0) -> Iterator[list[Json]]:
        """The items of a list, page by page, to its end or to `limit`."""
        token, left = "", limit
        for _ in range(PAGES_MAX):
            size = min(PAGE_ITEMS, left) if limit else PAGE_ITEMS
            page = self.call(request.with_query(page_size=str(size), page_token=token))
            items = items_at(page, "items")[: left if limit else None]
            left -= len(items)
            yield items
            following = text_at(page, "next_page_token")
            if not following or (limit and left <= 0):
                return
            if following == token:
                raise Failure("the server gives the same page again and again")
            token = following
        raise Failure(f"the list has more than {PAGES_MAX} pages", hint="narrow it with -l or --limit")

    def all(self, request: Request, limit: int = 0) -> list[Json]:
        """All items of a list."""
        return [item for page in self.pages(request, limit) for item in page]

    def events(self, request: Request) -> Iterator[Json]:
        """Messages of a watch; after a loss it goes on behind the last version, without a gap.

        Raises:
            Failure: The version is no longer kept, or the server is away for long.
        """
        losses = 0
        while True:
            try:
                for event in self._stream(request):
                    losses = 0
                    if version := text_at(event, "version"):
                        request = request.with_query(from_version=version)
                    yield event
            except Refusal as refused:
                if refused.status == GONE:
                    raise Failure(
                        "what happened meanwhile is no longer kept", hint="run the command again"
                    ) from refused
                if refused.status not in (429, 502, 503, 504) or losses >= WATCH_LOSSES_MAX:
                    raise
            except UnreachableFailure:
                if losses >= WATCH_LOSSES_MAX:
                    raise
            losses += 1
            if losses > WATCH_LOSSES_MAX:
                return
            time.sleep(min(5.0, 0.1 * 2**losses) * (0.5 + _jitter() / 2))

    def stream(self, request: Request) -> Iterator[Json]:
        """Messages of a stream that ends when it ends."""
        yield from self._stream(request)

    def _stream(self, request: Request) -> Iterator[Json]:
        lines = self.link.stream(request, self._headers(self._authorise(False)))
        if isinstance(lines, Answer) and lines.status == UNAUTHORIZED and (header := self._authorise(True)):
            lines = self.link.stream(request, self._headers(header))
        if isinstance(lines, Answer):
            raise _refused(lines)
        for line in lines:
            if line.strip():
                message = decode(line)
                _refuse_within(message)
                yield message

    def _persistent(self, request: Request, header: str | None = None) -> Answer:
        header = self._authorise(False) if header is None else header
        waited_s, attempt = 0.0, 1
        while True:
            answer, failure, outcome = self._attempt(request, header)
            wait_s = (
                next_wait_s(
                    attempt,
                    outcome,
                    repeatable=request.repeatable,
                    waited_s=waited_s,
                    jitter=_jitter(),
                )
                if self._is_persistent and (failure or (answer and answer.status >= TOO_MANY))
                else None
            )
            if wait_s is None:
                if failure is not None:
                    raise failure
                assert answer is not None
                return answer
            self._tell(
                f"{failure.sentence if failure else f'the server answered {outcome.status}'}; again in {wait_s:.1f} s"
            )
            time.sleep(wait_s)
            waited_s, attempt = waited_s + wait_s, attempt + 1

    def _attempt(self, request: Request, header: str) -> tuple[Answer | None, Failure | None, Outcome]:
        try:
            answer = self.link.send(request, self._headers(header))
        except NotSentFailure as failure:
            return None, failure, Outcome(0, sent=False)
        except UnreachableFailure as failure:
            return None, failure, Outcome(0, sent=True)
        after = parse_retry_after(answer.headers.get("retry-after", ""))
        reason = "" if answer.status < REFUSALS else _refused(answer).reason
        return answer, None, Outcome(answer.status, sent=True, retry_after_s=after, reason=reason)

    def _headers(self, header: str) -> dict[str, str]:
        return {"Authorization": header} if header else {}


def anonymous(_again: bool) -> str:  # noqa: FBT001 - the shape of Authorise
    """No header: for the endpoints of login."""
    return ""


def _jitter() -> float:
    """0 to 1, another one each time; the module `random` takes longer to import than this is worth."""
    return os.urandom(1)[0] / 255


def _refused(answer: Answer) -> Refusal:
    if answer.status < REFUSALS:
        where = answer.headers.get("location", "")[:200]
        return Refusal(
            f"the server answered {answer.status} and points to {where!r}",
            status=answer.status,
            hint="is this the gateway's address?",
        )
    return refusal(answer.status, answer.title, answer.content, answer.request_id)


def _refuse_within(message: Json) -> None:
    """A stream that fails after it began says so in its last line, as a problem."""
    if isinstance(message, dict) and "error" in message and isinstance(message["error"], dict):
        message = message["error"]
    if isinstance(message, dict) and "status" in message and "title" in message and "detail" in message:
        status = message["status"]
        raise refusal(status if isinstance(status, int) else 500, "", json.dumps(message).encode(), "")


def _parse(answer: Answer) -> Json:
    return decode(answer.content) if answer.content.strip() else None


def decode(content: bytes) -> Json:
    """JSON that the server sent.

    Raises:
        Failure: It is none.
    """
    try:
        made: Json = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Failure(
            f"the server's answer is no JSON: {content[:80]!r}", hint="is this the gateway's address? `uc doctor` looks"
        ) from error
    return made
