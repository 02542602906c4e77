"""How credentials of the application are had, and whose are refused."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from wizard.aws.client import connect

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/service/eonpro-app-role"
USER = f"arn:aws:iam::{ACCOUNT}:user/eonpro-app"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})
SECRETS = ("SecretAccessKey", "SessionToken")


def had(aws, principal_arn: str, *, container_first: bool = False) -> Any:
    """What can be had; a test that expects credentials fails when it is None."""
    return aws.application_credentials.app_credentials(principal_arn, container_first=container_first).credentials


def tried(aws, principal_arn: str) -> str:
    """How the first way that was tried ended."""
    return str(aws.application_credentials.app_credentials(principal_arn).tried[0])


@pytest.fixture
def principals(boto) -> dict[str, dict[str, str]]:
    """The application's role and user, a stranger's role, and keys of each."""
    iam, sts = boto("iam"), boto("sts")
    roles = {"role": ("eonpro-app-role", "/service/"), "stranger": ("stranger", "/")}
    keys = {}
    for who, (name, path) in roles.items():
        arn = iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        keys[who] = sts.assume_role(RoleArn=arn, RoleSessionName="at-work")["Credentials"]
    iam.create_user(UserName="eonpro-app")
    keys["user"] = iam.create_access_key(UserName="eonpro-app")["AccessKey"]
    return keys


def given(keys: dict[str, str]) -> dict[str, str]:
    named = {
        "EONPRO_APP_ACCESS_KEY_ID": keys["AccessKeyId"],
        "EONPRO_APP_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
    }
    return named | ({"EONPRO_APP_SESSION_TOKEN": keys["SessionToken"]} if "SessionToken" in keys else {})


@pytest.fixture
def container(principals):
    """A container's credentials endpoint on loopback, which hands out the role's keys."""
    keys = principals["role"]
    document = {
        "AccessKeyId": keys["AccessKeyId"],
        "SecretAccessKey": keys["SecretAccessKey"],
        "Token": keys["SessionToken"],
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302 if self.path == "/elsewhere" else 200)
            if self.path == "/elsewhere":
                self.send_header("Location", "/keys")
            self.end_headers()
            self.wfile.write(json.dumps(document if self.path == "/keys" else ["nothing"]).encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_role_is_assumed_by_the_caller_when_nothing_else_is_given(principals, aws):
    found = had(aws, ROLE)
    assert found.how == "sts:AssumeRole"
    assert found.session_token


def test_given_keys_of_the_very_user_are_used(principals, environ):
    found = had(connect(environ={**environ, **given(principals["user"])}), USER)
    assert (found.how, found.access_key_id) == (
        "the access key in EONPRO_APP_ACCESS_KEY_ID",
        principals["user"]["AccessKeyId"],
    )


def test_given_session_keys_of_the_role_are_used_whatever_its_path(principals, environ):
    found = had(connect(environ={**environ, **given(principals["role"])}), ROLE)
    assert found.session_token == principals["role"]["SessionToken"]


def test_a_strangers_keys_prove_nothing_and_are_passed_over(principals, environ):
    aws = connect(environ={**environ, **given(principals["stranger"])})
    assert had(aws, ROLE).how == "sts:AssumeRole"
    assert "assumed-role/stranger" in tried(aws, ROLE)


def test_a_users_credentials_are_had_from_nowhere_when_none_are_given(principals, aws):
    assert had(aws, USER) is None


def test_a_strangers_keys_are_never_taken_for_the_users(principals, environ):
    assert had(connect(environ={**environ, **given(principals["role"])}), USER) is None


SOURCES = "ACCESS_KEY_ID PROFILE WEB_IDENTITY_TOKEN_FILE CONTAINER_CREDENTIALS_URI".split()


@pytest.mark.parametrize(("name", "is_source"), [*((each, True) for each in SOURCES), ("FOLDER", False)])
def test_the_folder_of_the_application_is_no_source_of_its_credentials(environ, name, is_source):
    named = connect(environ={**environ, f"EONPRO_APP_{name}": "x"}).application_credentials
    assert named.are_configured is is_source


def test_a_profile_of_the_application_is_used(principals, environ, tmp_path):
    keys = principals["user"]
    (tmp_path / "credentials").write_text(
        f"[the-app]\naws_access_key_id = {keys['AccessKeyId']}\naws_secret_access_key = {keys['SecretAccessKey']}\n"
    )
    found = had(connect(environ={**environ, "EONPRO_APP_PROFILE": "the-app"}), USER)
    assert (found.how, found.access_key_id) == ("the profile in EONPRO_APP_PROFILE", keys["AccessKeyId"])


def test_a_profile_that_does_not_exist_is_passed_over_and_told(principals, environ):
    aws = connect(environ={**environ, "EONPRO_APP_PROFILE": "nobody"})
    assert had(aws, USER) is None
    assert "nobody" in tried(aws, USER)


def test_a_web_identity_token_is_exchanged_for_the_role(principals, environ, tmp_path):
    (tmp_path / "token").write_text("a.b.c\n")
    variable = {"EONPRO_APP_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token")}
    found = had(connect(environ={**environ, **variable}), ROLE)
    assert found.how == "a web identity token (sts:AssumeRoleWithWebIdentity)"


def test_the_exchange_of_a_token_is_signed_with_nobodys_keys(script, scripted, tmp_path):
    (tmp_path / "token").write_text("a.b.c")
    scripted._session.environ["EONPRO_APP_WEB_IDENTITY_TOKEN_FILE"] = str(tmp_path / "token")
    script.refuse("AssumeRoleWithWebIdentity", "InvalidIdentityToken")
    script.refuse("AssumeRole", "AccessDenied", status=403)
    assert had(scripted, ROLE) is None
    assert script.requests[0]["WebIdentityToken"] == ["a.b.c"]
    assert "Authorization" not in script.headers[0] and "Authorization" in script.headers[-1]


def test_a_token_that_cannot_be_read_is_passed_over_and_told(principals, environ, tmp_path):
    aws = connect(environ={**environ, "EONPRO_APP_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "none")})
    assert had(aws, ROLE).how == "sts:AssumeRole"
    assert "cannot be read" in tried(aws, ROLE)


def test_a_containers_endpoint_hands_out_its_roles_keys(container, environ):
    aws = connect(environ={**environ, "EONPRO_APP_CONTAINER_CREDENTIALS_URI": f"{container}/keys"})
    found = had(aws, ROLE)
    assert found.how == "the container's credentials endpoint"


@pytest.mark.parametrize(
    ("container_first", "how"),
    [
        (True, "the container's credentials endpoint"),
        (False, "a web identity token (sts:AssumeRoleWithWebIdentity)"),
    ],
)
def test_each_target_is_proved_by_its_own_way_where_both_are_there(container, environ, tmp_path, container_first, how):
    (tmp_path / "token").write_text("a.b.c")
    both = {
        "EONPRO_APP_CONTAINER_CREDENTIALS_URI": f"{container}/keys",
        "EONPRO_APP_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
    }
    assert had(connect(environ={**environ, **both}), ROLE, container_first=container_first).how == how


@pytest.mark.parametrize("path", ["/elsewhere", "/nothing"])
def test_a_containers_endpoint_that_redirects_or_talks_nonsense_is_passed_over(container, environ, path):
    aws = connect(environ={**environ, "EONPRO_APP_CONTAINER_CREDENTIALS_URI": container + path})
    assert had(aws, ROLE).how == "sts:AssumeRole"


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://example.com/keys",
        "http://127.0.0.1.example.com/keys",
        "http://127.0.0.1@example.com/keys",
        "http://10.0.0.1/keys",
        "file:///etc/passwd",
        "ftp://127.0.0.1/keys",
    ],
)
def test_credentials_are_fetched_from_this_machine_and_ecss_agent_only(principals, environ, url):
    aws = connect(environ={**environ, "EONPRO_APP_CONTAINER_CREDENTIALS_URI": url})
    assert had(aws, USER) is None
    assert "refused" in tried(aws, USER)


def test_a_role_that_may_not_be_assumed_gives_none_and_the_reason(script, scripted):
    script.refuse("AssumeRole", "AccessDenied", status=403)
    assert had(scripted, ROLE) is None
    assert "sts:AssumeRole" in tried(scripted, ROLE)


def test_no_secret_of_the_application_is_in_a_repr_or_in_what_is_told(principals, environ):
    aws = connect(environ={**environ, **given(principals["role"])})
    shown = (
        repr(had(aws, ROLE))
        + repr(aws.application_credentials.app_credentials(ROLE, container_first=True))
        + repr(vars(aws))
    )
    assert not any(principals["role"][secret] in shown for secret in SECRETS)
