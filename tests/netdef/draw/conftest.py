"""Headless Chromium, where there is one; where there is none, the run says what it did not check."""

import shutil
import subprocess
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--disable-dev-shm-usage",
)  # fmt: skip
unchecked: list[str] = []


@pytest.fixture
def browse(request, tmp_path):
    """A function that opens a page in a browser and returns what the browser prints, and what it complains of."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        unchecked.append(f"{request.node.name}: no browser found; looked for {', '.join(BROWSERS)}")
        pytest.skip(unchecked[-1])

    def open_page(page: Path, *options: str, fragment: str = "") -> tuple[str, str]:
        command = [browser, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", *options]
        done = subprocess.run([*command, f"{page.as_uri()}{fragment}"], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)

    return open_page


def pytest_terminal_summary(terminalreporter):
    if unchecked:
        terminalreporter.section("pages that no browser has opened")
        for line in unchecked:
            terminalreporter.write_line(line)
