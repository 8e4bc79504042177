"""Kernels that another user could have prepared are not loaded."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from netdef.language.diagnostics import Remark
from runtime.kernels.cpu import jit, trusted

SOURCE = Path(__file__).parent


@pytest.fixture(autouse=True)
def looked_at_anew(monkeypatch):
    monkeypatch.setattr(trusted, "_warned", False)
    trusted._check.cache_clear()
    yield
    trusted._check.cache_clear()


def test_a_folder_that_is_made_is_for_its_owner_alone(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert trusted.is_trusted(tmp_path / "numba" / "x", SOURCE)
    assert (tmp_path / "numba" / "x").stat().st_mode & 0o777 == 0o700


def test_a_folder_beside_the_sources_is_as_good_as_they_are(tmp_path):
    tmp_path.chmod(0o777)
    assert trusted.is_trusted(tmp_path / "__pycache__", tmp_path)


def test_a_folder_that_others_can_write_to(tmp_path):
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    with pytest.warns(Remark, match=r"others can write to .*shared, so those kept there may not be netdef's"):
        assert not trusted.is_trusted(tmp_path / "shared" / "x", SOURCE)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # said once
        assert not trusted.is_trusted(tmp_path / "shared" / "y", SOURCE)
    trusted._check.cache_clear()
    (tmp_path / "shared").chmod(0o1777)  # as /tmp: names are safe there
    assert trusted.is_trusted(tmp_path / "shared" / "x", SOURCE)


def test_the_group_of_the_user_may_write_another_may_not(tmp_path, monkeypatch):
    """Under umask 002 all folders are open to the user's own group."""
    tmp_path.chmod(0o775)
    assert trusted._why_not(tmp_path) == ""
    monkeypatch.setattr(trusted.os, "getgid", lambda: 12345)
    assert "others can write to" in trusted._why_not(tmp_path)


def test_a_folder_of_another_user(tmp_path, monkeypatch):
    monkeypatch.setattr(trusted.os, "getuid", lambda: 12345)
    (tmp_path / "x").mkdir()
    if (tmp_path / "x").stat().st_uid == 0:  # the administrator's is trusted
        assert trusted._why_not(tmp_path / "x") == ""
    else:
        assert "belongs to another user" in trusted._why_not(tmp_path / "x")


def test_a_function_is_compiled_without_such_a_folder(monkeypatch):
    monkeypatch.setattr(jit, "is_trusted", lambda *_: False)

    def double(x):
        return 2 * x

    assert jit.jit(double)(np.float32(3)) == 6
