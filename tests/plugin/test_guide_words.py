"""What the guide's steps say of themselves."""

from napari_deltamic.plugin.fit_worker import Phase
from napari_deltamic.plugin.guide_words import (
    FitFacts,
    ImageFacts,
    Standing,
    fit_state,
    image_state,
    optics_state,
    results_state,
    seed_state,
)


def test_an_image_that_leaves_a_doubt_is_asked_about():
    unsure = ImageFacts(noise="gaussian", name="ovule", shape=(32, 128, 128))
    assert image_state(unsure).standing is Standing.WRONG
    assert "choose it" in image_state(unsure).sentence
    assert not unsure.is_ready
    busy = ImageFacts(is_looking=True)
    assert image_state(busy).standing is Standing.BUSY


def test_an_image_is_summed_up_once_accepted():
    facts = ImageFacts(
        marks="membrane", noise="poisson", is_accepted=True, name="embryo", shape=(29, 74, 87)
    )
    expected = "embryo: 29 × 74 × 87 voxels, membranes, photon noise."
    assert image_state(facts) == (Standing.DONE, expected)


def test_a_problem_is_told_as_a_sentence():
    state = image_state(ImageFacts(problem="layer 'x' is 2D"))
    assert state == (Standing.WRONG, "Layer 'x' is 2D.")
    refused = seed_state(True, "membrane", False, False, "add points first", True)
    assert refused == (Standing.WRONG, "Add points first.")


def test_a_seed_goes_from_lacking_to_done():
    assert seed_state(False, None, False, False, "", False).standing is Standing.WAITS
    assert "between the membranes" in seed_state(True, "membrane", False, False, "", False).sentence
    assert seed_state(True, "membrane", False, True, "", False).standing is Standing.BUSY
    made = seed_state(True, "membrane", True, False, "8 surfaces.", False)
    assert made == (Standing.DONE, "8 surfaces.")


def test_an_assumed_psf_is_said_to_be_so():
    assert optics_state(True, True, "Gaussian").sentence.startswith("Assumed")
    assert optics_state(True, False, "Confocal").standing is Standing.DONE


def test_a_fit_tells_its_stage_its_loss_and_its_warnings():
    running = FitFacts(True, Phase.RUNNING, stage=2, stages=4, progress=0.31)
    assert fit_state(running) == (Standing.BUSY, "Fitting: stage 2 of 4, 31% done.")
    timed = FitFacts(True, Phase.RUNNING, stage=2, stages=4, progress=0.37, seconds_left=41.0)
    assert fit_state(timed).sentence == "Fitting: stage 2 of 4, 37% done, about 40 s left."
    done = fit_state(FitFacts(True, said="Done: 8 regions.", loss=0.0988, warnings=1))
    assert done == (Standing.DONE, "Done: 8 regions. Loss: 0.0988. 1 warning, lower right.")
    assert fit_state(FitFacts(said="the mesh is outside", warns=True)).standing is Standing.WRONG
    assert fit_state(FitFacts()).standing is Standing.WAITS
    assert fit_state(FitFacts(True)).standing is Standing.READY


def test_results_wait_for_a_fit():
    assert results_state(False, False, None, "").standing is Standing.WAITS
    assert results_state(True, True, None, "").standing is Standing.BUSY
    assert results_state(True, False, 8, "") == (Standing.DONE, "8 cells measured.")
