"""The commands by which a browser gets in without a token."""

import subprocess

import httpx2

from cli.machine import DRIFTPIN, END_WAIT_S, Machine

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
    _signs_in_once(served.run("login-link").out.strip())


def test_up_prints_a_link_that_signs_a_browser_in_once(machine: Machine) -> None:
    with subprocess.Popen(
        [*DRIFTPIN, "up", "--port", "0", str(machine.workspace)],
        env=machine.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        opened = next(line for line in process.stdout if line.strip().startswith("open "))
        _signs_in_once(opened.split()[1])
        process.terminate()
        process.wait(END_WAIT_S)


def _signs_in_once(link: str) -> None:
    headers = {"Origin": link.partition("/sign-in")[0], "Sec-Fetch-Site": OWN_PAGE}
    with httpx2.Client(trust_env=False) as browser:
        assert browser.get(link).status_code == 200
        signed_in = browser.post(link, headers=headers)
        assert signed_in.status_code == 303
        assert signed_in.headers["location"] == "/"
        me = browser.get(headers["Origin"] + "/api/v1/me")
        assert me.json()["user"]["name"] == "local"
        assert browser.post(link, headers=headers).status_code == 401
