"""Invites, passwords, sessions and refresh tokens, against a running iam."""

import asyncio
import sys

import pytest

from iam.shell.invite import invite_first
from iam.testing import ADA, PASSWORD, Clients, Live, RunningIam, refusal_of
from ultracloud.api.iam.v1 import iam_pb2
from ultracloud.api.iam.v1 import identity_pb2 as pb
from ultracloud.servicekit import pki
from ultracloud.servicekit.clock import SystemClock

BINDING = "user:bob@acme"


async def make_bob(ada: Clients) -> iam_pb2.User:
    await ada.make_organisation("acme")
    return await ada.make_login("acme", "bob", "bob@example.org")


def test_an_invite_sets_a_first_password_and_is_good_once(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await ada.make_organisation("acme")
        await ada.make_user("acme", "bob")
        assert (await refusal_of(ada.login("bob@acme"))).reason == "LOGIN_WRONG"
        invite = await ada.credentials.invite(pb.InviteRequest(project="acme", ref="bob"))
        assert invite.token.startswith("uci_")
        assert invite.url.endswith(f"/login/invite#{invite.token}")
        assert "█" in invite.qr or "▄" in invite.qr
        request = pb.AcceptInviteRequest(token=invite.token, password=PASSWORD)
        assert (await ada.credentials.accept_invite(request)).login == "bob@acme"
        assert (await refusal_of(ada.credentials.accept_invite(request))).reason == "INVITE_INVALID"
        me = await ada.with_token((await ada.login("bob@acme")).access_token).who_am_i()
        assert me.principal.startswith("user:usr-")
        assert 3590 <= me.expires_at.seconds - SystemClock().now_ms() // 1000 <= 3600

    live(scenario)


def test_the_first_person_is_let_in_by_a_certificate_and_asking_twice_does_no_harm(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await invite_first(ada.channel, "bob", "acme", "owner")
        invite = await invite_first(ada.channel, "bob", "acme", "owner")
        await ada.credentials.accept_invite(pb.AcceptInviteRequest(token=invite.token, password=PASSWORD))
        bob = ada.with_token((await ada.login("bob@acme")).access_token)
        assert (await bob.make_project("acme", "blue")).metadata.name == "blue"
        assert (await refusal_of(bob.make_organisation("other"))).reason == "NO_BINDING"

    live(scenario)


def test_the_command_invites_and_says_where_to_go(live: Live):
    async def scenario(iam: RunningIam, ada: Clients) -> None:
        files = pki.issue(iam.ca, ADA, iam.folder / "op")
        command = ["invite", "bob@acme", "--everywhere", "--target", iam.address]
        for name in ("certificate", "key", "ca"):
            command += [f"--{name}", str(getattr(files, name))]
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "iam", *command, stdout=-1, stderr=-1)
        out, err = (each.decode() for each in await process.communicate())
        assert (process.returncode, err) == (0, "")
        token = out.partition("/login/invite#")[2].split()[0]
        await ada.credentials.accept_invite(pb.AcceptInviteRequest(token=token, password=PASSWORD))
        bob = ada.with_token((await ada.login("bob@acme")).access_token)
        assert (await bob.make_organisation("other")).metadata.name == "other"

    live(scenario)


@pytest.mark.parametrize("password", ["short", "a" * 300, "aaaaaaaaaaaaaaaa", "bob@example.org"])
def test_a_weak_password_is_refused_and_the_invite_stays_good(live: Live, password: str):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await ada.make_organisation("acme")
        await ada.make_user("acme", "bob", "bob@example.org")
        invite = await ada.credentials.invite(pb.InviteRequest(project="acme", ref="bob"))
        weak = pb.AcceptInviteRequest(token=invite.token, password=password)
        assert (await refusal_of(ada.credentials.accept_invite(weak))).reason == "PASSWORD_WEAK"
        await ada.credentials.accept_invite(pb.AcceptInviteRequest(token=invite.token, password=PASSWORD))

    live(scenario)


def test_people_log_in_by_name_or_by_an_address_that_is_theirs_alone(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        bob = await make_bob(ada)
        for login in ("bob@acme", "BOB@ACME ", "bob@example.org"):
            session = await ada.login(login)
            assert (await ada.with_token(session.access_token).who_am_i()).principal == f"user:{bob.metadata.id}"
        await ada.make_organisation("other")
        await ada.make_login("other", "bobby", "bob@example.org")
        assert (await refusal_of(ada.login("bob@example.org"))).reason == "LOGIN_WRONG"
        assert await ada.login("bobby@other")

    live(scenario)


def test_unknown_disabled_and_wrong_are_told_alike(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_bob(ada)
        await ada.make_login("acme", "eve")
        off = iam_pb2.UserSpec(disabled=True)
        await ada.users.update(iam_pb2.UpdateUserRequest(project="acme", ref="eve", spec=off))
        tries = [("bob@acme", "wrong"), ("eve@acme", PASSWORD), ("no@acme", PASSWORD), ("no@no", PASSWORD), ("", "")]
        told = {str(await refusal_of(ada.login(login, password))) for login, password in tries}
        assert told == {"the login or the password is wrong"}

    live(scenario)


@pytest.mark.parametrize("login", ["bob@acme", "nobody@acme"])
def test_guesses_are_slowed_down_whether_or_not_there_is_such_a_user(live: Live, login: str):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_bob(ada)
        reasons = [(await refusal_of(ada.login(login, "wrong"))).reason for _ in range(7)]
        assert reasons == ["LOGIN_WRONG"] * 5 + ["TOO_MANY_ATTEMPTS"] * 2
        refusal = await refusal_of(ada.login(login))
        assert (refusal.reason, refusal.metadata["retry_after_s"]) == ("TOO_MANY_ATTEMPTS", "1")

    live(scenario)


def test_many_guesses_at_once_are_counted_each(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_bob(ada)
        refusals = await asyncio.gather(*[refusal_of(ada.login("bob@acme", "wrong")) for _ in range(20)])
        assert sum(one.reason == "LOGIN_WRONG" for one in refusals) <= 5

    live(scenario)


# ---- sessions -------------------------------------------------------------------------------------------------------


def test_a_session_that_is_ended_is_refused_at_the_next_call(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_bob(ada)
        first, second = await ada.login("bob@acme"), await ada.login("bob@acme")
        bob = ada.with_token(first.access_token)
        listed = (await bob.sessions.list(pb.ListSessionsRequest())).items
        assert [one.id for one in listed] == [second.session, first.session]
        assert [one.is_current for one in listed] == [False, True]
        await bob.sessions.revoke(pb.RevokeSessionRequest(session=second.session))
        refusal = await refusal_of(ada.with_token(second.access_token).who_am_i())
        assert "your session has been revoked or ended; log in again" in refusal.public
        assert (
            await refusal_of(ada.sessions.refresh(pb.RefreshRequest(refresh_token=second.refresh_token)))
        ).code == 16
        assert (await bob.who_am_i()).principal
        assert (await refusal_of(bob.sessions.revoke(pb.RevokeSessionRequest(session="x")))).code_name == "NOT_FOUND"

    live(scenario)


def test_all_sessions_end_but_ones_own_and_an_admin_ends_those_of_others(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_bob(ada)
        sessions = [await ada.login("bob@acme") for _ in range(3)]
        bob = ada.with_token(sessions[0].access_token)
        assert (await bob.sessions.revoke_all(pb.RevokeAllSessionsRequest(keep_current=True))).revoked == 2
        assert (await bob.who_am_i()).principal
        await ada.sessions.revoke_all(pb.RevokeAllSessionsRequest(project="acme", ref="bob"))
        assert (await refusal_of(bob.who_am_i())).code_name in ("PERMISSION_DENIED", "UNAUTHENTICATED")

    live(scenario)


def test_a_refresh_token_is_good_once_and_a_second_use_ends_the_session(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_bob(ada)
        session = await ada.login("bob@acme")
        tokens = [session.refresh_token]
        for _ in range(3):
            answer = await ada.sessions.refresh(pb.RefreshRequest(refresh_token=tokens[-1]))
            tokens.append(answer.refresh_token)
        # The answer may have been lost: the one before gives the same again.
        again = await ada.sessions.refresh(pb.RefreshRequest(refresh_token=tokens[-2]))
        assert again.refresh_token == tokens[-1]
        refusal = await refusal_of(ada.sessions.refresh(pb.RefreshRequest(refresh_token=tokens[0])))
        assert (refusal.code_name, refusal.reason) == ("UNAUTHENTICATED", "REFRESH_REUSED")
        assert (await refusal_of(ada.sessions.refresh(pb.RefreshRequest(refresh_token=tokens[-1])))).code == 16
        assert "revoked or ended" in (await refusal_of(ada.with_token(again.access_token).who_am_i())).public

    live(scenario)


def test_a_changed_refresh_token_is_nobodys(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_bob(ada)
        session = await ada.login("bob@acme")
        head, _, mac = session.refresh_token.rpartition("_")
        for text in ("", "x", f"{head}_{mac[:-1]}", f"{head[:-1]}2_{mac}", session.refresh_token + "A"):
            refusal = await refusal_of(ada.sessions.refresh(pb.RefreshRequest(refresh_token=text)))
            assert (refusal.code_name, refusal.reason) == ("UNAUTHENTICATED", "REFRESH_INVALID")
        assert await ada.sessions.refresh(pb.RefreshRequest(refresh_token=session.refresh_token))

    live(scenario)


def test_a_new_password_ends_all_other_sessions(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_bob(ada)
        mine, other = await ada.login("bob@acme"), await ada.login("bob@acme")
        bob = ada.with_token(mine.access_token)
        wrong = pb.SetPasswordRequest(old_password="no", new_password="another passphrase")
        assert (await refusal_of(bob.credentials.set_password(wrong))).reason == "LOGIN_WRONG"
        right = pb.SetPasswordRequest(old_password=PASSWORD, new_password="another passphrase")
        await bob.credentials.set_password(right)
        assert (await bob.who_am_i()).principal
        assert "revoked or ended" in (await refusal_of(ada.with_token(other.access_token).who_am_i())).public
        assert (await refusal_of(ada.login("bob@acme"))).reason == "LOGIN_WRONG"
        assert await ada.login("bob@acme", "another passphrase")

    live(scenario)


def test_a_disabled_user_is_refused_everywhere(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_bob(ada)
        session = await ada.login("bob@acme")
        off = iam_pb2.UserSpec(disabled=True)
        await ada.users.update(iam_pb2.UpdateUserRequest(project="acme", ref="bob", spec=off))
        assert "is disabled" in (await refusal_of(ada.with_token(session.access_token).who_am_i())).public
        refresh = pb.RefreshRequest(refresh_token=session.refresh_token)
        assert (await refusal_of(ada.sessions.refresh(refresh))).reason == "REFRESH_INVALID"

    live(scenario)


def test_nobody_invites_who_holds_more_than_they_do_and_users_do_not_meddle(live: Live):
    async def scenario(_iam: RunningIam, ada: Clients) -> None:
        await make_bob(ada)
        await ada.make_login("acme", "eve")
        eve = ada.with_token((await ada.login("eve@acme")).access_token)
        invite = pb.InviteRequest(project="acme", ref="bob")
        assert (await refusal_of(eve.credentials.invite(invite))).reason == "NO_BINDING"
        await ada.make_binding("acme", "boss", "owner", BINDING, "organisations/acme")
        await ada.make_binding("acme", "clerk", "admin", "user:eve@acme", "organisations/acme")
        assert (await refusal_of(eve.credentials.invite(invite))).reason == "ESCALATION"
        assert (
            await refusal_of(eve.credentials.reset_factors(pb.ResetFactorsRequest(project="acme", ref="bob")))
        ).reason == ("ESCALATION")
        there = await refusal_of(eve.sessions.list(pb.ListSessionsRequest(project="elsewhere", ref="x")))
        assert there.code_name == "PERMISSION_DENIED"

    live(scenario)
