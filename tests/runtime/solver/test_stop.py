"""Signals: the first asks, the second ends at once, and handlers are put back."""

import os
import signal

import pytest

from runtime.solver.stop import StopRequest


@pytest.mark.parametrize(("which", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_asks(which, code, capfd):
    with StopRequest() as stop:
        assert not stop
        os.kill(os.getpid(), which)
        assert stop
        assert stop.exit_code == code
    assert "once more stops at once" in capfd.readouterr().err


def test_the_second_ends_at_once(capfd):
    with StopRequest(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    with StopRequest(), pytest.raises(SystemExit) as ended:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
    assert ended.value.code == 143


class Others:
    """Ranks of which another one had SIGTERM."""

    first = True

    def exchange(self, value):
        return [value, signal.SIGTERM]


def test_a_signal_that_reached_another_rank_first_is_the_same_request(capfd):
    with StopRequest(Others()) as stop:
        assert stop
        os.kill(os.getpid(), signal.SIGTERM)
        assert (stop.signal, stop.exit_code) == (signal.SIGTERM, 143)
        with pytest.raises(SystemExit):
            os.kill(os.getpid(), signal.SIGTERM)
    assert capfd.readouterr().err.count("once more stops at once") == 1


def test_handlers_are_put_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with StopRequest():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_terminal_that_goes_away_sends_two_signals(capfd):
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGHUP)
        assert stop.exit_code == 129


def test_what_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        with StopRequest() as stop:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not stop
    finally:
        signal.signal(signal.SIGHUP, before)


def test_without_an_error_output_nothing_is_written(monkeypatch, capfd):
    monkeypatch.setattr("sys.__stderr__", None)
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop
    assert capfd.readouterr().err == ""
