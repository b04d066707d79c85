"""Light through a pupil to its focus: what the models of microscopes are computed with."""
