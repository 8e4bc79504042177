"""What every test needs of the process that it runs in, and what tests of several commands share."""

import gc
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable

import pytest

# Tests run side by side, and threads that wait for work of a BLAS are busy; to be set before NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# Both cores have a worker, and what one compiles the other loads: no processes that help to compile, which take a second to start.
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

# Workers and the processes that tests start would each compile the tree anew; numba writes into __pycache__ in any case.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

SAID = pytest.StashKey[Counter[str]]()

# A shell starts background jobs with Ctrl-C ignored, and nohup a job with hang-ups; tests that send these would wait for ever.
for sent, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(sent) is signal.SIG_IGN:
        signal.signal(sent, handler)


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Writes a text into a fresh folder, which is the current one, and returns its name."""
    monkeypatch.chdir(tmp_path)

    def write(text, name="x.net"):
        (tmp_path / name).write_text(text)
        return name

    return write


@pytest.fixture(scope="session")
def say(pytestconfig: pytest.Config) -> Callable[..., None]:
    """say(line) adds a line to the summary at the end of the run; say(line, count) adds up counts, which stand for its "{}"."""
    said = pytestconfig.stash.setdefault(SAID, Counter())

    def add(line: str, count: int = 1) -> None:
        said[line] += count

    return add


def pytest_collection_finish() -> None:
    """Leave thousands of collected tests, which stay to the end, out of every later garbage collection."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Have a worker of pytest-xdist hand over what was said."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["said"] = dict(session.config.stash.get(SAID, Counter()))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:
    node.config.stash.setdefault(SAID, Counter()).update(getattr(node, "workeroutput", {}).get("said", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line, count in config.stash.get(SAID, Counter()).items():
        terminalreporter.write_line(line.replace("{}", str(count)))
