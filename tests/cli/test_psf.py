"""The commands below ``psf``, and the files that they leave."""

import re

import numpy as np
import pytest
import tifffile
from cli_cases import run
from matplotlib.backends.backend_agg import FigureCanvasAgg

import napari_deltamic as dm
from napari_deltamic.cli.psf import PSF_COMMANDS
from napari_deltamic.cli.psf_picture import draw_psf, draw_two
from napari_deltamic.imaging import write_stack

CONFOCAL = (
    *("--modality", "confocal", "--na", 1.2, "--immersion-index", 1.33),
    *("--excitation", 0.488, "--emission", 0.52),
)
OTHERS = {
    "gaussian": (["--sigma", 0.3, 0.1, 0.1], dm.GaussianPSF),
    "widefield": (["--na", 0.8, "--wavelength", 0.52], dm.WidefieldPSF),
    "spinning-disc": (
        ["--na", 0.9, "--excitation", 0.488, "--emission", 0.52, "--magnification", 60],
        dm.SpinningDiscPSF,
    ),
    "light-sheet": (
        ["--na", 0.8, "--wavelength", 0.52, "--sheet-thickness", 3],
        dm.LightSheetPSF,
    ),
    "two-photon": (["--na", 0.8, "--excitation-wavelength", 0.92], dm.TwoPhotonPSF),
}
SIGMA = (0.35, 0.13, 0.13)
SPACING = (0.15, 0.065, 0.065)
CENTRES = [(3.0, 1.5, 1.5), (3.1, 4.5, 1.6), (2.9, 4.4, 4.5)]
AT_THE_BORDER = (0.1, 1.4, 4.6)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    files = ("-o", folder / "c.json", "--tiff", folder / "c.tif", "--picture", folder / "c.png")
    assert run("psf", "make", *CONFOCAL, *files, "--shape", 21, 31, 32) == 0
    return folder


@pytest.fixture(scope="module")
def beads(tmp_path_factory):
    """A stack of three good beads and one that is cut."""
    shape = (40, 92, 92)
    axes = [np.arange(n) * step for n, step in zip(shape, SPACING, strict=True)]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    image = np.full(shape, 20.0)
    for centre in (*CENTRES, AT_THE_BORDER):
        image += 500 * np.exp(-0.5 * (((places - centre) / SIGMA) ** 2).sum(axis=-1))
    path = tmp_path_factory.mktemp("beads") / "beads.tif"
    write_stack(path, np.random.default_rng(0).poisson(image).astype(np.uint16), SPACING)
    return path


@pytest.mark.parametrize("command", PSF_COMMANDS)
def test_every_command_explains_its_options(command, capsys):
    assert run("psf", command, "--help") == 0
    shown = capsys.readouterr().out
    assert f"napari-deltamic psf {command}" in shown
    assert PSF_COMMANDS[command] in shown


def test_make_writes_numbers_voxels_and_a_picture(made):
    psf = dm.load_psf(made / "c.json")
    assert isinstance(psf, dm.ConfocalPSF)
    assert psf.arguments()["na"] == 1.2
    assert sorted(file.name for file in made.iterdir()) == ["c.json", "c.png", "c.tif"]
    with tifffile.TiffFile(made / "c.tif") as tif:
        voxels = tif.asarray()
    assert voxels.shape == (21, 31, 32)
    assert voxels.sum() == pytest.approx(1.0, rel=1e-5)
    assert np.unravel_index(voxels.argmax(), voxels.shape) == (10, 15, 16)


def test_make_prints_widths_sampling_and_apparent_depth(tmp_path, capsys):
    deep = ("--sample-index", 1.36, "--depth", 20)
    assert run("psf", "make", *CONFOCAL, *deep, "-o", tmp_path / "c.json") == 0
    shown = capsys.readouterr().out
    assert re.search(r"full width at half maximum.* 0\.\d+ x 0\.2\d+ x 0\.2\d+ µm", shown)
    assert re.search(r"Nyquist.* 0\.1\d+ x 0\.052\d x 0\.052\d µm", shown)
    assert re.search(r"depth below the coverslip +20 µm", shown)
    # Light comes from a denser medium, so the focus need not be moved so far.
    assert re.search(r"in focus after the stage has moved +19\.\d+ µm", shown)


@pytest.mark.parametrize("modality", OTHERS)
def test_make_knows_every_modality(modality, tmp_path):
    words, kind = OTHERS[modality]
    assert run("psf", "make", "--modality", modality, *words, "-o", tmp_path / "p.json") == 0
    assert type(dm.load_psf(tmp_path / "p.json")) is kind


def test_make_takes_aberrations_and_a_model(tmp_path):
    words = ("--aberration", "5=0.1", "11=-0.05", "--model", "gibson-lanni", "--axial-range", 1)
    widefield = ("--modality", "widefield", *OTHERS["widefield"][0])
    assert run("psf", "make", *widefield, *words, "-o", tmp_path / "p.json") == 0
    psf = dm.load_psf(tmp_path / "p.json")
    assert psf.arguments()["aberrations"] == {5: 0.1, 11: -0.05}
    assert psf.model == "gibson_lanni"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--modality is missing"),
        (["--modality", "confocal"], "--na: needed with --modality confocal"),
        ([*CONFOCAL[:3], 1.4, *CONFOCAL[4:]], "--na: 1.4 needs an immersion of a larger index"),
        (
            [*CONFOCAL[:7], 488, *CONFOCAL[8:]],
            "--excitation: expected micrometres, 0.1 to 5, got 488",
        ),
        ([*CONFOCAL[:7], 0.56, *CONFOCAL[8:]], "--excitation: 0.56 um is longer than"),
        ([*CONFOCAL, "--magnification", 60], "--magnification: goes with --modality spinning-disc"),
        ([*CONFOCAL, "--sigma", 1, 1, 1], "--sigma: goes with --modality gaussian"),
        ([*CONFOCAL, "--aberration", "5"], "--aberration: expected NOLL=WAVES"),
        ([*CONFOCAL, "--aberration", "5=nan"], "--aberration: expected NOLL=WAVES"),
        ([*CONFOCAL, "--aberration", "5=1", "5=2"], "--aberration: mode 5 is given twice"),
        ([*CONFOCAL, "--aberration", "1=.1"], "--aberration: Noll indices go from 2"),
        ([*CONFOCAL, "--shape", 9, 9, 9], "--shape: goes with --tiff"),
        ([*CONFOCAL, "--shape", 1, 9, 9, "--tiff", "a.tif"], "--shape: needs at least two"),
        ([*CONFOCAL, "--spacing", 1, 1, 0, "--tiff", "a.tif"], "--spacing: expected three"),
        ([*CONFOCAL, "--tiff", "a.png"], "--tiff: a.png must end in .tif"),
        ([*CONFOCAL, "--picture", "a.tif"], "--picture: a.tif must end in .png"),
        (["--modality", "gaussian"], "--sigma: needed with --modality gaussian"),
        (["--modality", "gaussian", "--na", 1.2], "--na: does not go with --modality gaussian"),
        (["--modality", "x-ray"], 'Invalid value "x-ray" for --modality'),
    ],
)
def test_make_names_what_is_wrong(words, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("psf", "make", *words, "-o", "p.json") == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert not list(tmp_path.iterdir())


def test_a_word_that_is_no_command_is_named(capsys):
    assert run("psf", "makes") == 2
    assert "makes" in capsys.readouterr().err
    assert run("psf") == 0
    assert "compare" in capsys.readouterr().out


def test_measure_averages_the_good_beads_and_says_why_not_others(beads, tmp_path, capsys):
    files = ("-o", tmp_path / "m.json", "--tiff", tmp_path / "m.tif")
    assert run("psf", "measure", beads, *files) == 0
    captured = capsys.readouterr()
    assert "3 beads averaged" in captured.out
    assert "1 bright spot left out" in captured.out
    assert "too near the border along z" in captured.out
    psf = dm.load_psf(tmp_path / "m.json")
    assert isinstance(psf, dm.MeasuredPSF)
    difference = dm.optics.compare_psfs(dm.GaussianPSF(SIGMA), psf).relative_l2
    assert difference < 0.12
    assert tifffile.imread(tmp_path / "m.tif").ndim == 3


def test_measure_fits_a_model_to_the_beads(beads, tmp_path, capsys):
    files = ("-o", tmp_path / "m.json", "--picture", tmp_path / "m.png")
    words = ("--match", "gaussian", "--matched", tmp_path / "g.json")
    assert run("psf", "measure", beads, *files, *words) == 0
    assert re.search(r"sigma_z +0\.3[45]\d+ +0\.000\d+ +um", capsys.readouterr().out)
    found = dm.load_psf(tmp_path / "g.json")
    np.testing.assert_allclose(found.sigma.detach(), SIGMA, rtol=0.01)
    assert (tmp_path / "m.png").stat().st_size > 10_000


def test_ctrl_c_keeps_the_psf_that_was_measured(beads, tmp_path, capsys, monkeypatch):
    def press(*_, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_deltamic.optics.matching.match_psf", press)
    words = ("--match", "gaussian", "--matched", tmp_path / "g.json")
    assert run("psf", "measure", beads, "-o", tmp_path / "m.json", *words) == 130
    said = capsys.readouterr().err.replace("\n", "")
    assert f"Wrote {tmp_path / 'm.json'}" in said
    assert f"Stopped: {tmp_path / 'g.json'} was not written" in said
    assert isinstance(dm.load_psf(tmp_path / "m.json"), dm.MeasuredPSF)
    assert [file.name for file in tmp_path.iterdir()] == ["m.json"]


def test_measure_takes_points_from_a_file(beads, tmp_path, capsys):
    (tmp_path / "points.csv").write_text("z,y,x\n20,23,23\n")
    words = ("--points", tmp_path / "points.csv", "--points-unit", "voxel")
    assert run("psf", "measure", beads, "-o", tmp_path / "m.json", *words) == 0
    assert "1 bead averaged" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--threshold", 1000], "STACK: no bead stands out of the noise"),
        (["--bead-diameter", -1], "--bead-diameter: expected a positive number"),
        (["--na", 1.2], "--na: goes with --match"),
        (["--learn", "na"], "--learn: goes with --match"),
        (["--match", "gaussian"], "--matched: needed with --match"),
        (["--match", "gaussian", "--matched", "m.json"], "--matched: m.json is --output too"),
        (["--bead-diameter", 100], "--bead-diameter: beads of 100 um cannot look"),
        (["--match", "gaussian", "--matched", "a.tif"], "--matched: a.tif must end in .json"),
        (["--match", "confocal", "--matched", "a.json"], "--na: needed with --match confocal"),
        (
            ["--match", "gaussian", "--matched", "a.json", "--learn", "na"],
            "--learn: GaussianPSF has no quantity 'na'",
        ),
    ],
)
def test_measure_names_what_is_wrong(beads, words, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("psf", "measure", beads, "-o", "m.json", *words) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert not list(tmp_path.iterdir())


def test_compare_prints_widths_and_differences(made, tmp_path, capsys):
    dm.save_psf(dm.GaussianPSF((0.2, 0.09, 0.09)), tmp_path / "g.json")
    files = (made / "c.json", tmp_path / "g.json", "--picture", tmp_path / "both.png")
    assert run("psf", "compare", *files) == 0
    shown = capsys.readouterr().out
    assert re.search(r"c\.json +ConfocalPSF +0\.4\d+ +0\.2\d+ +0\.2\d+", shown)
    assert re.search(r"g\.json +GaussianPSF +0\.471\d* +0\.211\d* +0\.211\d*", shown)
    # Of a confocal PSF's light a good part is in its wings, so the Gaussian is the brighter.
    assert re.search(r"relative L2 difference +0\.[45]\d+", shown)
    assert re.search(r"the same at any brightness +0\.[01]\d+", shown)
    assert (tmp_path / "both.png").stat().st_size > 10_000


def test_compare_takes_a_stack_of_beads(beads, tmp_path, capsys):
    dm.save_psf(dm.GaussianPSF(SIGMA), tmp_path / "g.json")
    assert run("psf", "compare", beads, tmp_path / "g.json") == 0
    assert "MeasuredPSF" in capsys.readouterr().out


def test_compare_names_what_is_wrong(made, beads, tmp_path, capsys):
    assert run("psf", "compare", made / "c.json", made / "c.png") == 2
    assert "c.png: a PSF file ends in .json" in capsys.readouterr().err
    assert run("psf", "compare", made / "c.json", made / "c.json", "--frame", 0) == 2
    assert "--frame: goes with a stack of beads" in capsys.readouterr().err
    dark = tmp_path / "dark.tif"
    write_stack(dark, np.random.default_rng(0).poisson(20.0, (8, 32, 32)), SPACING)
    assert run("psf", "compare", made / "c.json", dark) == 2
    assert "dark.tif: image: no bead stands out" in capsys.readouterr().err


def test_render_takes_a_psf_file(made, tmp_path):
    mesh = dm.mesh.icosphere((3.0, 3.0, 3.0), 2.0, 3)
    dm.write_mesh(mesh, tmp_path / "ball.rec")
    words = ("--shape", 20, 40, 40, "--spacing", 0.3, 0.15, 0.15, "-o", tmp_path / "out.tif")
    assert run("render", tmp_path / "ball.rec", "--psf", made / "c.json", *words) == 0
    psf = dm.load_psf(made / "c.json")
    expected = dm.render(mesh, psf, (20, 40, 40), (0.3, 0.15, 0.15))
    np.testing.assert_allclose(tifffile.imread(tmp_path / "out.tif"), expected, rtol=1e-4)


def test_the_picture_shows_the_psf_to_scale_and_its_texts_fit(made):
    psf = dm.GaussianPSF((0.3, 0.1, 0.1))
    widths = 2.3548 * np.array([0.3, 0.1, 0.1])
    figure = draw_psf(psf, "a title", widths)
    xy, xz, otf = (axes.images[0] for axes in figure.axes[:3])
    for image, down in ((xy, 0.1), (xz, 0.3)):
        rows, columns = np.nonzero(image.get_array() > 0.5)
        pixel = 2 * image.get_extent()[1] / len(image.get_array())
        assert np.ptp(rows) * pixel == pytest.approx(2.3548 * down, abs=2.1 * pixel)
        assert np.ptp(columns) * pixel == pytest.approx(0.23548, abs=2.1 * pixel)
    middle = len(otf.get_array()) // 2
    assert otf.get_array()[middle, middle] == pytest.approx(1.0)
    for drawn in (figure, draw_two((psf, psf), ("one", "other"), (widths, widths))):
        canvas = FigureCanvasAgg(drawn)
        canvas.draw()
        bounds = drawn.get_tightbbox(canvas.get_renderer())
        width, height = drawn.get_size_inches()
        assert bounds.x0 > 0
        assert bounds.y0 > 0
        assert bounds.x1 < width
        assert bounds.y1 < height


def test_ctrl_c_leaves_nothing(tmp_path, capsys, monkeypatch):
    def press(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_deltamic.optics.width.fwhm_of", press)
    assert run("psf", "make", *CONFOCAL, "-o", tmp_path / "c.json") == 130
    assert "Aborted." in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
