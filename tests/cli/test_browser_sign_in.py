"""The commands by which a browser gets in without a token."""

import httpx2

from cli.machine import Machine

OWN_PAGE = "same-origin"


def test_a_password_is_set_changed_and_signs_in(served: Machine) -> None:
    first = served.run("password", said="\ncorrect horse\n")
    assert (first.code, first.out) == (0, "")
    wrong = served.run("password", said="a guess\nbattery staple\n")
    assert wrong.code == 4
    assert "wrong" in wrong.err
    assert served.run("password", said="correct horse\nbattery staple\n").code == 0
    by_name = served.run("password", "nobody", said="battery staple\n")
    assert by_name.code != 0


def test_a_link_signs_a_browser_in_once(served: Machine) -> None:
    link = served.run("login-link").out.strip()
    headers = {"Origin": link.partition("/sign-in")[0], "Sec-Fetch-Site": OWN_PAGE}
    with httpx2.Client(trust_env=False) as browser:
        assert browser.get(link).status_code == 200
        signed_in = browser.post(link, headers=headers)
        assert signed_in.status_code == 303
        assert signed_in.headers["location"] == "/"
        me = browser.get(headers["Origin"] + "/api/v1/me")
        assert me.json()["user"]["name"] == "local"
        assert browser.post(link, headers=headers).status_code == 401
