"""Who is who: ``auth.test``, ``users.*``, ``team.info``, ``bots.info``, ``api.test``."""

from __future__ import annotations

from tests.emulators.slack.asking import Ask, Refused, method
from tests.emulators.slack.records import Json, Person
from tests.emulators.slack.state import State


@method("api.test", tier=4, kinds=())
def api_test(state: State, ask: Ask) -> Json:
    if ask.text("error"):
        raise Refused(ask.text("error"))
    return {"args": {name: value for name, value in ask.args.items() if name != "token"}}


@method("auth.test", tier=0, kinds=("bot", "app"))
def auth_test(state: State, ask: Ask) -> Json:
    if ask.token is not None and ask.token.kind == "app":
        return {"app_id": state.app.id, "app_name": state.app.name}
    workspace, bot = ask.workspace, ask.bot
    return {
        "url": f"https://{workspace.domain}.slack.com/",
        "team": workspace.name,
        "user": bot.name,
        "team_id": workspace.id,
        "user_id": bot.id,
        "bot_id": bot.bot_id,
        "is_enterprise_install": False,
    }


def describe_person(person: Person, team: str) -> Json:
    names = {"real_name": person.real_name, "display_name": person.name}
    answer: Json = {
        "id": person.id,
        "team_id": person.team,
        "name": person.name,
        "real_name": person.real_name,
        "deleted": person.deleted,
        "tz": person.tz,
        "tz_offset": 0,
        "is_bot": bool(person.bot_id),
        "is_admin": person.admin,
        "is_owner": False,
        "is_restricted": person.guest,
        "is_ultra_restricted": False,
        "is_stranger": person.team != team,
        "profile": names | {"team": person.team, "image_72": f"https://example.invalid/{person.id}.png"},
    }
    if person.bot_id:
        answer["profile"] |= {"bot_id": person.bot_id, "api_app_id": person.app_id}
    return answer


def _known(state: State, ask: Ask) -> dict[str, Person]:
    """The workspace's people and those met in channels that are shared with others."""
    known = dict(ask.workspace.people)
    for channel in state.channels.values():
        if channel.shared_with and ask.workspace.id in state.teams_of(channel):
            for user in channel.members:
                person = state.person(user)
                if person is not None:
                    known[user] = person
    return known


@method("users.info", tier=4, scopes=("users:read",))
def users_info(state: State, ask: Ask) -> Json:
    person = _known(state, ask).get(ask.need("user", "user_not_found"))
    if person is None:
        raise Refused("user_not_found")
    return {"user": describe_person(person, ask.workspace.id)}


@method("users.list", tier=2, scopes=("users:read",))
def users_list(state: State, ask: Ask) -> Json:
    people = [describe_person(person, ask.workspace.id) for person in ask.workspace.people.values()]
    return {"members": people, "response_metadata": {"next_cursor": ""}}


@method("team.info", tier=3, scopes=("team:read",))
def team_info(state: State, ask: Ask) -> Json:
    workspace = ask.workspace
    asked = ask.text("team")
    if asked and asked != workspace.id:
        raise Refused("team_not_found")
    return {"team": {"id": workspace.id, "name": workspace.name, "domain": workspace.domain, "icon": {}}}


@method("bots.info", tier=3, scopes=("users:read",))
def bots_info(state: State, ask: Ask) -> Json:
    asked = ask.need("bot", "bot_not_found")
    for person in _known(state, ask).values():
        if person.bot_id == asked:
            bot = {"id": asked, "app_id": person.app_id, "user_id": person.id, "name": person.name, "deleted": False}
            return {"bot": bot}
    raise Refused("bot_not_found")
