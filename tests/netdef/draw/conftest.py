"""Headless Chromium, where there is one; where there is none, the run's summary says what was not checked."""

import shutil
import subprocess
from pathlib import Path

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--disable-dev-shm-usage",
)  # fmt: skip


@pytest.fixture
def browse(request, tmp_path, say):
    """A function that opens a page in a browser and returns what the browser prints, and what it complains of."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        say(f"{request.node.name}: NOT RUN, no browser found; looked for {', '.join(BROWSERS)}")
        pytest.skip("no browser found")

    def open_page(page: Path, *options: str, fragment: str = "") -> tuple[str, str]:
        command = [browser, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", *options]
        done = subprocess.run([*command, f"{page.as_uri()}{fragment}"], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)

    return open_page
