"""The settings: what they refuse, and how they are kept."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from napari_deltamic.fitting import FitSettings

OTHER = FitSettings(
    label="both",
    noise="poisson",
    edge_length=0.25,
    stages=3,
    max_iterations=17,
    tolerance=2e-4,
    smoothing=1.5,
    remesh=False,
    fit_background=False,
    fit_attenuation=True,
    learn=("sigma", "na"),
    standard_errors=True,
    backend="cpu",
)


@pytest.mark.parametrize("settings", [FitSettings(), OTHER])
def test_json_round_trip(settings: FitSettings) -> None:
    assert FitSettings.model_validate_json(settings.model_dump_json()) == settings


def test_other_differs_in_every_field() -> None:
    default = FitSettings()
    for name in FitSettings.model_fields:
        assert getattr(OTHER, name) != getattr(default, name), name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("label", "surface"),
        ("noise", "none"),
        ("edge_length", 0.0),
        ("edge_length", -1.0),
        ("edge_length", float("nan")),
        ("edge_length", float("inf")),
        ("stages", 0),
        ("stages", 13),
        ("stages", 2.5),
        ("max_iterations", 0),
        ("tolerance", 0.0),
        ("tolerance", float("nan")),
        ("smoothing", -0.5),
        ("smoothing", float("inf")),
        ("backend", "tpu"),
        ("learn", 3),
        ("learn", ("sigma", 3)),
        ("learning_rate", 0.1),
    ],
)
def test_nonsense_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        FitSettings(**{name: value})


@pytest.mark.parametrize(
    "names",
    [
        "sigma, na",
        "sigma na",
        ["sigma,na"],
        ("sigma", "na"),
        ("sigma", "na", "sigma"),
        " sigma,na,",
    ],
)
def test_names_to_learn_may_be_text(names: object) -> None:
    assert FitSettings(learn=names).learn == ("sigma", "na")


def test_settings_are_immutable() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        FitSettings().stages = 5


def test_every_field_explains_itself() -> None:
    for name, field in FitSettings.model_fields.items():
        assert field.title, name
        assert field.description, name
        assert field.description.endswith(".") or name == "backend", name
