"""The pages people log in on: HTML that works without script, and what browsers are told about it. Pure.

Every text that comes from outside is escaped here. Nothing is loaded from elsewhere; the one script, for security keys
and invites, is a file of our own.

Source: OWASP cheat sheets (content security policy, clickjacking); Fetch and CSP level 3.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import urlsplit

_STYLE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:24rem;margin:12vh auto;padding:0 1rem}
label{display:block;margin:1rem 0 .25rem}
input{font:inherit;width:100%;padding:.5rem;box-sizing:border-box}
button{font:inherit;margin:1.25rem .5rem 0 0;padding:.5rem 1.5rem}
.error{border-left:4px solid #c33;padding:.25rem .75rem}
code{font-size:1.5rem;letter-spacing:.1em}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

SCRIPT_PATH = "/login/login.js"
SCRIPT = """'use strict';
const form = document.querySelector('form[data-options]');
const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer)))
  .replace(/\\+/g, '-').replace(/\\//g, '_').replace(/=/g, '');
if (form && window.PublicKeyCredential) {
  const button = document.getElementById('use-key');
  button.hidden = false;
  button.addEventListener('click', async () => {
    const options = JSON.parse(form.dataset.options);
    options.challenge = bytes(options.challenge);
    (options.allowCredentials || []).forEach((one) => { one.id = bytes(one.id); });
    const made = await navigator.credentials.get({publicKey: options});
    form.elements.response.value = JSON.stringify({id: made.id, rawId: text(made.rawId), type: made.type,
      clientExtensionResults: {}, response: {
        clientDataJSON: text(made.response.clientDataJSON),
        authenticatorData: text(made.response.authenticatorData),
        signature: text(made.response.signature),
        userHandle: made.response.userHandle ? text(made.response.userHandle) : null}});
    form.submit();
  });
}
const invite = document.querySelector('input[name=token]');
if (invite && location.hash.length > 1) { invite.value = location.hash.slice(1); history.replaceState(null, '', '#'); }
"""


def page(title: str, body: str, error: str = "", *, with_script: bool = False) -> bytes:
    """A whole page; `body` is HTML, the rest is text."""
    told = f'<p class="error" role="alert">{escape(error)}</p>' if error else ""
    script = f'<script src="{SCRIPT_PATH}" defer></script>' if with_script else ""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>{script}"
        f"<h1>{escape(title)}</h1>{told}{body}</html>"
    ).encode()


def headers(redirect_uri: str = "") -> dict[str, str]:
    """What goes with every page; a form of it may end at `redirect_uri`."""
    # Browsers check form-action also where a form's answer redirects to.
    parts = urlsplit(redirect_uri)
    target = f" {parts.scheme}://{parts.netloc}" if redirect_uri else ""
    return {
        "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; script-src 'self'; "
        f"form-action 'self'{target}; frame-ancestors 'none'; base-uri 'none'",
        "x-frame-options": "DENY",
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": "no-store",
        "cross-origin-opener-policy": "same-origin",
    }


def login_form(hidden: Mapping[str, str], login: str, client: str, upstreams: Sequence[str] = ()) -> str:
    """Login and password, and a button for each other issuer."""
    others = "".join(
        f'<button name="upstream" value="{escape(name)}" formaction="/login/upstream" formnovalidate>'
        f"Log in with {escape(name)}</button>"
        for name in upstreams
    )
    return _form(
        hidden,
        (f"<p>to continue to {escape(client)}</p>" if client else "")
        + _field("login", "Login", login, 'autocomplete="username" placeholder="name@organisation" required autofocus')
        + _field("password", "Password", "", 'type="password" autocomplete="current-password" required')
        + "<button>Log in</button>"
        + others,
    )


def elsewhere(uri: str, name: str) -> str:
    """Leads on to another issuer: a page, because browsers let a form's answer redirect only where the form may end."""
    target = escape(uri)
    return f'<meta http-equiv="refresh" content="0;url={target}"><p><a href="{target}">Go on to {escape(name)}</a></p>'


def factor_form(hidden: Mapping[str, str], *, has_code: bool, key_options: str) -> str:
    """The second factor: a code, a security key, or either."""
    body = ""
    if has_code:
        body += _field(
            "code", "Code of your authenticator app, or a recovery code", "",
            'autocomplete="one-time-code" inputmode="text" autofocus',
        )  # fmt: skip
        body += "<button>Log in</button>"
    if key_options:
        body += (
            '<input type="hidden" name="response"><button type="button" id="use-key" hidden>Use security key</button>'
        )
        body += "<noscript><p>A security key needs script in the browser.</p></noscript>"
    data = f' data-options="{escape(key_options)}"' if key_options else ""
    return _form(hidden, body, data)


def device_form(hidden: Mapping[str, str], code: str, client: str, login: str) -> str:
    """The code that a device shows; with `client`, the question whether to let it in."""
    if not client:
        field = _field("user_code", "The code your device shows", code, 'autocomplete="off" required autofocus')
        return _form(hidden, f"{field}<button>Continue</button>", path="/device")
    body = (
        f"<p>You are {escape(login)}. Let {escape(client)} act for you?</p>"
        f"<p>Only if your own device shows this code:</p><p><code>{escape(code)}</code></p>"
        f'<input type="hidden" name="user_code" value="{escape(code)}">'
        '<button name="answer" value="yes">Let it in</button><button name="answer" value="no">No</button>'
    )
    return _form(hidden, body, path="/device")


MEANINGS = {
    "openid": "know who you are",
    "profile": "see your name, login and organisation",
    "email": "see your e-mail address",
    "groups": "see which groups you are in",
    "offline_access": "do so while you are away",
    "ultracloud": "act for you: all that you may do here, it may do too",
}
"""Scopes, in words for people."""


def consent_form(hidden: Mapping[str, str], login: str, client: str, scopes: Sequence[str]) -> str:
    """The question whether to let a program in, and to what."""
    wishes = "".join(f"<li>{MEANINGS[scope]}</li>" for scope in scopes if scope in MEANINGS)
    return _form(
        hidden,
        f"<p>You are {escape(login)}. {escape(client)} wants to:</p><ul>{wishes}</ul>"
        '<button name="answer" value="yes">Let it in</button><button name="answer" value="no">No</button>',
        path="/login/consent",
    )


def invite_form(hidden: Mapping[str, str], token: str) -> str:
    """An invite and a first password."""
    return _form(
        hidden,
        _field("token", "Invite", token, 'autocomplete="off" required')
        + _field(
            "password",
            "New password, 12 characters or more",
            "",
            'type="password" autocomplete="new-password" required',
        )
        + "<button>Set password</button>",
        path="/login/invite",
    )


def _form(hidden: Mapping[str, str], body: str, data: str = "", path: str = "/login") -> str:
    fields = "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in hidden.items())
    return f'<form method="post" action="{path}"{data}>{fields}{body}</form>'


def _field(name: str, label: str, value: str, more: str) -> str:
    return f'<label for="{name}">{label}</label><input id="{name}" name="{name}" value="{escape(value)}" {more}>'
