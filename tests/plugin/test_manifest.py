import subprocess
import sys

import pytest
from npe2 import PluginManifest


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_distribution("napari-deltamic")


def test_npe2_validates_it():
    done = subprocess.run(
        [sys.executable, "-m", "npe2", "validate", "napari-deltamic"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_command_can_be_imported(manifest):
    for command in manifest.contributions.commands:
        module, _, name = command.python_name.partition(":")
        assert hasattr(__import__(module, fromlist=[name]), name), command.python_name


def test_every_command_is_used_and_every_use_is_a_command(manifest):
    contributions = manifest.contributions
    used = {
        item.command
        for group in (
            contributions.widgets,
            contributions.readers,
            contributions.writers,
            contributions.sample_data,
            *contributions.menus.values(),
        )
        for item in group
    }
    assert used == {command.id for command in contributions.commands}


def test_docks_are_named_as_in_the_documentation(manifest):
    assert [w.display_name for w in manifest.contributions.widgets] == [
        "deltaMic",
        "Seed mesh",
        "PSF designer",
        "Fit",
        "Measures",
        "Compressive imaging",
        "Batch",
    ]
