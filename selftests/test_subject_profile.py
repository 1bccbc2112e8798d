"""Profiles: what they say, and how what is wrong with one is told: the file, the key, what was expected."""

import os
import sys
from pathlib import Path

import pytest

from spec.parameters import Parameters
from subject import profile as profiles
from subject.profile import ABILITIES, PLACEHOLDERS, Profile, ProfileError

PARAMETERS = Parameters(min_spare=2, max_spare=4, max_connections=100, max_children=9)


def written(folder: Path, text: str, name: str = "server.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    """Read a profile that can't be used; gives the message, which must name the file, in one line."""
    path = written(folder, text)
    with pytest.raises(ProfileError) as refused:
        profiles.from_file(path)
    assert str(refused.value).startswith(f"{path}: ")
    return str(refused.value).removeprefix(f"{path}: ")


# --- profiles that can be used -------------------------------------------------------------------------------------


def test_a_command_is_all_that_a_profile_needs(tmp_path: Path) -> None:
    profile = profiles.from_file(written(tmp_path, 'command = "./prefork {port}"'))
    assert profile.name == tmp_path.name
    assert profile.cwd == tmp_path
    assert profile.abilities == ABILITIES
    assert (profile.build, profile.port, profile.env, profile.service_time) == (None, None, {}, 0.0)
    assert (profile.settle.grow_round, profile.settle.shed_each) == (1.0, 1.0)


def test_every_key_of_a_profile_is_read(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    profile = profiles.from_file(
        written(
            tmp_path,
            """
            name = "my server"
            build = "make -j2"
            command = "./prefork {min_spare}"
            cwd = "src"
            port = 8080
            service_time = 1.5
            env = { LANG = "C", EMPTY = "" }
            abilities = ["channel", "recycle"]
            [settle]
            grow_round = 0.1
            shed_each = 2
            """,
        )
    )
    assert profile == Profile(
        name="my server",
        build="make -j2",
        command="./prefork {min_spare}",
        cwd=tmp_path / "src",
        port=8080,
        service_time=1.5,
        env={"LANG": "C", "EMPTY": ""},
        abilities=("channel", "recycle"),
        settle=profiles.Settle(grow_round=0.1, shed_each=2),
    )


def test_a_relative_folder_is_relative_to_the_profile_and_an_absolute_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    path = written(tmp_path / "here", 'command = "x {port}"\ncwd = "../there"')
    monkeypatch.chdir(tmp_path)
    assert profiles.from_file(Path("here/server.toml")).cwd == tmp_path / "here" / "../there"
    path.write_text('command = "x {port}"\ncwd = "/opt"')
    assert profiles.from_file(path).cwd == Path("/opt")


def test_a_command_is_split_as_a_shell_would_before_it_is_filled_in() -> None:
    profile = profiles.from_command(
        "'./my server' {port} --limits={min_spare}:{max_spare} \"n {max_connections}\" {max_children}"
    )
    assert profile.words(PARAMETERS, 8080) == ["./my server", "8080", "--limits=2:4", "n 100", "9"]
    assert profile.placeholders == set(PLACEHOLDERS)
    assert profile.cwd == Path.cwd()


def test_a_placeholder_may_stand_twice_and_a_shells_signs_mean_nothing() -> None:
    assert profiles.from_command("x {port} {port} > log; $HOME &").words(PARAMETERS, 7) == [
        "x", "7", "7", ">", "log;", "$HOME", "&",
    ]  # fmt: skip


def test_a_limit_is_out_of_reach_where_none_is_wanted() -> None:
    words = profiles.from_command("x {port} {max_children}").words(PARAMETERS.unlimited(), 7)
    assert int(words[2]) >= 200


def test_unicode_is_kept(tmp_path: Path) -> None:
    profile = profiles.from_file(
        written(tmp_path, 'name = "Štěpán 🐙"\ncommand = "./sérveur {port} naïve"\nenv = {"Ü" = "ß"}')
    )
    assert profile.title == "Štěpán 🐙"
    assert profile.words(PARAMETERS, 1)[0] == "./sérveur"
    assert profile.environment()["Ü"] == "ß"


def test_the_environment_is_the_users_with_the_profiles_on_top(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROM_THE_USER", "kept")
    monkeypatch.setenv("LANG", "C.UTF-8")
    environment = Profile(command="x {port}", env={"LANG": "C"}).environment()
    assert (environment["FROM_THE_USER"], environment["LANG"]) == ("kept", "C")


@pytest.mark.parametrize(
    ("command", "port", "told"),
    [("x {port}", None, True), ("x {port}", 8080, False), ("x", 8080, False)],
)
def test_a_launch_may_have_any_port_only_where_the_command_has_a_place_for_it(
    command: str, port: int | None, *, told: bool
) -> None:
    assert profiles.from_command(command, port=port).can_be_told_the_port is told


def test_the_command_lines_port_and_service_time_override_the_files(tmp_path: Path) -> None:
    path = written(tmp_path, 'command = "x"\nport = 80\nservice_time = 1.0')
    profile = profiles.from_file(path, port=8080, service_time=0.0)
    assert (profile.port, profile.service_time) == (8080, 0.0)
    assert profiles.from_file(path).port == 80


def test_a_subject_is_called_by_its_name_or_else_by_its_command() -> None:
    assert profiles.from_command("./x {port}").title == "./x {port}"


def test_the_reference_server_is_a_profile_like_any_other(tmp_path: Path) -> None:
    (folder := tmp_path / "a folder").mkdir()
    profile = profiles.reference_server(folder)
    words = profile.words(PARAMETERS, 8080)
    assert words[:3] == [sys.executable, "-m", "reference_server"]
    assert words[words.index("--max-children") + 1] == "9"
    assert profile.environment()["PYTHONPATH"] == str(folder)


# --- profiles that can't be used -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("", "command", "required"),
        ('name = "x"', "command", "required"),
        ('command = ""', "command", "empty"),
        ('command = "  "', "command", "empty"),
        ("command = \"'' {port}\"", "command", "empty"),
        ('command = "x \'{port}"', "command", "No closing quotation"),
        ('command = "x {prot}"', "command", "{port}"),
        ('command = "x {port} {}"', "command", "{min_spare}"),
        ('command = "x {port} {Port}"', "command", "{Port}"),
        ('command = "x"', "command", "port"),
        ("command = 7", "command", "string"),
        ('command = ["x", "{port}"]', "command", "string"),
        ('command = "x"\nport = 0', "port", "greater than or equal to 1"),
        ('command = "x"\nport = 70000', "port", "65535"),
        ('command = "x"\nport = "eighty"', "port", "integer"),
        ('command = "x {port}"\nservice_time = -1', "service_time", "greater than or equal to 0"),
        ('command = "x {port}"\nservice_time = "slow"', "service_time", "number"),
        ('command = "x {port}"\nservice_time = nan', "service_time", "finite"),
        ('command = "x {port}"\nenv = "LANG=C"', "env", "table of texts"),
        ('command = "x {port}"\nenv = { N = 1 }', "env.N", "string"),
        ('command = "x {port}"\nabilities = ["flying"]', "abilities", "recycle"),
        ('command = "x {port}"\nabilities = "recycle"', "abilities", "list of texts"),
        ('command = "x {port}"\ncwd = 3', "cwd", "folder"),
        ('command = "x {port}"\nbuild = ["make"]', "build", "string"),
        ('command = "x {port}"\n[settle]\ngrow_round = 0', "settle.grow_round", "greater than 0"),
        ('command = "x {port}"\n[settle]\ngrow = 1', "settle.grow", "shed_each"),
        ('command = "x {port}"\nsettle = 2', "settle", "expected a table"),
        ('command = "x {port}"\ncomand = "x"', "comand", "service_time"),
    ],
)
def test_what_is_wrong_is_told_with_its_key_and_what_was_expected(
    tmp_path: Path, text: str, key: str, expected: str
) -> None:
    message = refusal(tmp_path, text)
    assert message.startswith(f"{key}: ")
    assert expected in message
    assert "\n" not in message
    assert "pydantic" not in message
    assert "://" not in message, "no link to a library's pages"


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    message = refusal(tmp_path, 'command = "x {port}"\nport = 0\nservice_time = -1\nfoo = 1')
    for key in ("port", "service_time", "foo"):
        assert f"{key}: " in message


@pytest.mark.parametrize("text", ["command = ", "= 1", "command = 'x", "\x00"])
def test_what_is_not_toml_is_told_with_its_place(tmp_path: Path, text: str) -> None:
    assert "not TOML" in refusal(tmp_path, text)


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    path = tmp_path / "server.toml"
    path.write_bytes(b'command = "\xff\xfe {port}"')
    with pytest.raises(ProfileError, match=r"server\.toml: not TOML"):
        profiles.from_file(path)


def test_a_file_that_is_not_there_or_a_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"missing\.toml: No such file.*expected a profile in TOML"):
        profiles.from_file(tmp_path / "missing.toml")
    with pytest.raises(ProfileError, match="no regular file"):
        profiles.from_file(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        r'command = "x\u0000 {port}"',
        'command = "x {port}"\n' + r'env = { A = "\u0000" }',
        'command = "x {port}"\nenv = { "A=B" = "c" }',
    ],
    ids=["command", "env", "env-name"],
)
def test_what_no_process_can_be_given_is_told_before_a_launch(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, text).split(":")[0].split(".")[0] in ("command", "env")


def test_a_wrong_command_line_is_told_as_such() -> None:
    with pytest.raises(ProfileError, match=r"--server: .*\{prot\}.*expected one of \{port\}"):
        profiles.from_command("x {prot}")
    with pytest.raises(ProfileError, match=r"--port N"):
        profiles.from_command("x")
    with pytest.raises(ProfileError, match=r"--server: command: is empty"):
        profiles.from_command("")


def test_the_users_environment_is_not_changed_by_a_profile() -> None:
    before = dict(os.environ)
    Profile(command="x {port}", env={"PATH": "/nowhere"}).environment()
    assert dict(os.environ) == before
