"""Settings: the environment first, wrong ones named, secrets never shown."""

import pytest

from turnosya.runtime.settings import MessagingSettings, ProcessSettings, SettingsWrong, load, unknown_names

KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (ProcessSettings, MessagingSettings):
        for name in kind.model_fields:
            monkeypatch.delenv(f"TURNOSYA_{name.upper()}", raising=False)


def test_the_environment_goes_before_what_the_embedded_run_provides(monkeypatch: pytest.MonkeyPatch) -> None:
    provided = {"TURNOSYA_MESSAGE_KEY": KEY, "TURNOSYA_POLL_S": "3"}
    assert load(MessagingSettings, provided).poll_s == 3
    monkeypatch.setenv("TURNOSYA_POLL_S", "4")
    assert load(MessagingSettings, provided).poll_s == 4
    monkeypatch.setenv("TURNOSYA_POLL_S", "")
    assert load(MessagingSettings, provided).poll_s == 3


def test_a_missing_secret_refuses_to_start_and_names_the_setting() -> None:
    with pytest.raises(SettingsWrong, match="TURNOSYA_MESSAGE_KEY"):
        load(MessagingSettings, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MESSAGE_KEY", "not-a-key-of-32-bytes"),
        ("MESSAGE_KEY", KEY[:-8]),
        ("RETRY_DELAYS_S", "1,zwei"),
        ("RETRY_DELAYS_S", "1,-5"),
        ("RETRY_DELAYS_S", "1,nan"),
        ("CALL_TIMEOUT_S", "0"),
        ("CALL_TIMEOUT_S", "inf"),
        ("POOL_SIZE", "1"),
        ("POOL_SIZE", "8.5"),
        ("INBOX_WORKERS", "many"),
        ("LEASE_S", "nan"),
    ],
)
def test_a_wrong_setting_is_named_and_its_value_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv("TURNOSYA_MESSAGE_KEY", KEY)
    monkeypatch.setenv(f"TURNOSYA_{name}", value)
    with pytest.raises(SettingsWrong) as caught:
        load(MessagingSettings, {})
    assert f"TURNOSYA_{name}" in str(caught.value)
    assert KEY not in str(caught.value)
    assert name != "MESSAGE_KEY" or value not in str(caught.value)


def test_every_wrong_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURNOSYA_PORT", "70000")
    monkeypatch.setenv("TURNOSYA_ENV", "staging")
    monkeypatch.setenv("TURNOSYA_RATE_LIMITS", "maybe")
    with pytest.raises(SettingsWrong, match=r"(?s)ENV.*PORT.*RATE_LIMITS"):
        load(ProcessSettings, {})


def test_no_secret_is_printed_with_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TURNOSYA_DATABASE_URL", "postgresql://root:hunter2@db/postgres")
    monkeypatch.setenv("TURNOSYA_MESSAGE_KEY", KEY)
    process, messaging = load(ProcessSettings, {}), load(MessagingSettings, {})
    shown = f"{process!r} {messaging} {messaging.model_dump()}"
    assert "hunter2" not in shown
    assert KEY not in shown


def test_a_mistyped_name_is_found_and_what_others_set_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TURNOSYA_PROT", "TURNOSYA_WHATEVER_THIS_IS", "TURNOSYA_TEST_DATABASE_URL"):
        monkeypatch.setenv(name, "1")
    # What Kubernetes says of a Service named turnosya-chat.
    monkeypatch.setenv("TURNOSYA_CHAT_PORT", "tcp://10.0.0.1:8000")
    monkeypatch.setenv("TURNOSYA_CHAT_PORT_8000_TCP_ADDR", "10.0.0.1")
    monkeypatch.setenv("TURNOSYA_CHAT_SERVICE_HOST", "10.0.0.1")
    found = unknown_names({"TURNOSYA_PORT", "TURNOSYA_HOST"})
    assert found == {"TURNOSYA_PROT": "TURNOSYA_PORT", "TURNOSYA_WHATEVER_THIS_IS": None}
