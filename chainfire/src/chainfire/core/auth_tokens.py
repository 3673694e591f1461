"""Simple tokens: random words that stand for a user until they have not been used for a while.

The log says which tokens there are, so that every member knows them; how long they live each member decides by itself.
They are in no snapshot: a member that starts anew has its clients authenticate again, which they do by themselves.

Source: etcd 3.5 semantics of `--auth-token simple` and `--auth-token-ttl`.
"""

from __future__ import annotations

TTL_MS = 300_000
"""etcd's."""
TOKENS_MAX = 100_000
"""About 200 bytes each. Past this the one that was not used longest goes: its client authenticates again."""


class TokenTable:
    """Tokens, the one that was not used longest first.

    Attributes:
        ttl_ms: How long an unused token lives.
    """

    def __init__(self, ttl_ms: int = TTL_MS, tokens_max: int = TOKENS_MAX) -> None:
        self.ttl_ms = ttl_ms
        self._tokens_max = tokens_max
        self._now_ms = 0
        self._tokens: dict[str, tuple[str, int]] = {}

    def __len__(self) -> int:
        return len(self._tokens)

    def assign(self, token: str, user: str) -> None:
        """Let a token stand for a user."""
        if len(self._tokens) >= self._tokens_max:
            del self._tokens[next(iter(self._tokens))]
        self._tokens[token] = (user, self._now_ms + self.ttl_ms)

    def use(self, token: str) -> str | None:
        """Whom a token stands for, None if for nobody; its time begins anew."""
        found = self._tokens.pop(token, None)
        if found is None:
            return None
        user, _ = found
        self._tokens[token] = (user, self._now_ms + self.ttl_ms)
        return user

    def tick(self, now_ms: int) -> None:
        """Note the time, which never goes back, and forget tokens whose own is up."""
        self._now_ms = now_ms
        while self._tokens:
            token = next(iter(self._tokens))
            if self._tokens[token][1] > now_ms:
                break
            del self._tokens[token]

    def drop_user(self, user: str) -> None:
        """Forget the tokens of a user."""
        self._tokens = {token: found for token, found in self._tokens.items() if found[0] != user}

    def clear(self) -> None:
        """Forget all tokens."""
        self._tokens.clear()
