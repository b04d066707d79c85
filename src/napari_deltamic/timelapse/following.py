"""What the fit of a movie does with each frame, and knows between them."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.fitting.state import FitState, Intensities
from napari_deltamic.imaging import ImageStack
from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.mesh.edges import median_edge
from napari_deltamic.mesh.remeshing import remeshing
from napari_deltamic.optics import PSF
from napari_deltamic.optics.width import fwhm_of
from napari_deltamic.timelapse.carrying import (
    carried,
    is_worn,
    unresolved_regions,
    without_region,
)
from napari_deltamic.timelapse.division import refit_divided
from napari_deltamic.timelapse.frame_fit import frame_fit
from napari_deltamic.timelapse.motion import (
    BENDING,
    FOLLOWING,
    Moved,
    Round,
    moving_with_image,
)
from napari_deltamic.timelapse.residuals import Look, ResidualWatch, suspicions
from napari_deltamic.timelapse.results import Division, FrameResult
from napari_deltamic.timelapse.state import TimelapseState
from napari_deltamic.timelapse.steps import told
from napari_deltamic.timelapse.storage import MovieFolder, data_hash, learned, movie_identity

_log = logging.getLogger(__name__)

# A region that was not to be cut is tried again after this many frames.
_PATIENCE = 3
# A division begins near its place, so that few and fine stages find it.
_DIVIDED_STAGES = 2


class Following:
    """What the fit of a movie knows between its frames."""

    def __init__(
        self,
        mesh: TriangleMesh,
        psf: PSF,
        first: FitSettings,
        later: FitSettings,
        reseed: bool,
        store: MovieFolder | None,
        resume: bool,
    ) -> None:
        self.results: list[FrameResult] = []
        self._mesh, self._psf, self._reseed = mesh, psf, reseed
        self._first, self._later = first, later
        self._store, self._resume = store, resume
        self._on_disk = 0
        self._shape: tuple[int, int, int] | None = None
        self._watch = self._watching(psf)
        self._widths = fwhm_of(psf)

    def _watching(self, psf: PSF) -> ResidualWatch:
        return ResidualWatch(psf, self._first.noise == "poisson", self._first.label == "interior")

    def frame(
        self, number: int, total: int | None, stack: ImageStack
    ) -> Generator[TimelapseState, None, None]:
        """Fit one frame, or read it if it was fitted before."""
        done = len(self.results)
        waiting = TimelapseState(number, total, progress=done / total if total else 0.0)
        yield waiting
        self._check(number, stack)
        if self._store is not None and not self.results:
            identity = movie_identity(
                stack, self._mesh, self._psf, self._first, self._later, self._reseed
            )
            self._on_disk = self._store.begin(identity, self._resume, number)
        if self._store is not None and done < self._on_disk:
            result, data = self._store.read(number)
            if data != data_hash(stack):
                raise ValueError(
                    f"folder: frame {number} in {self._store.path} is of other data; give the same "
                    "movie, or start afresh"
                )
            psf = None if self.results else self._store.learned_psf()
        else:
            try:
                fitted = yield from self._fitted(number, total, stack, waiting)
            except ValueError as error:
                if not self.results:
                    raise
                raise ValueError(f"frames: frame {number}: {error}") from error
            result, psf = fitted
            if self._store is not None:
                self._store.write(result, data_hash(stack), psf)
        if psf is not None:
            self._psf, self._watch, self._widths = psf, self._watching(psf), fwhm_of(psf)
        self.results.append(result)
        for text in result.warnings:
            _log.info("frame %d: %s", number, text)
        overall = (done + 1) / total if total else 1.0
        yield TimelapseState(number, total, finished=result, progress=overall)

    def _check(self, number: int, stack: ImageStack) -> None:
        if not isinstance(stack, ImageStack):
            raise TypeError(
                f"frames: expected stacks, but frame {number} is a {type(stack).__name__}"
            )
        if self._shape is not None and stack.shape != self._shape:
            raise ValueError(
                f"frames: frame {number} has shape {stack.shape}, the ones before {self._shape}"
            )
        self._shape = stack.shape

    def _fitted(
        self, number: int, total: int | None, stack: ImageStack, waiting: TimelapseState
    ) -> Generator[TimelapseState, None, tuple[FrameResult, PSF | None]]:
        begun = time.perf_counter()
        settings, start, known = self._first, self._mesh, None
        at_start: Look | None = None
        if self.results:
            before, settings = self.results[-1], self._later
            start = before.mesh
            edge_length = median_edge(self.results[0].mesh)
            if is_worn(start, edge_length):
                start = yield from told(remeshing(start, edge_length), lambda _: waiting)
            known = carried(before.intensities, before.mesh, start, before.noise)
            yield waiting
            light = known.intensities
            start, image = yield from told(
                self._moving(stack, start, light, FOLLOWING), lambda _: waiting
            )
            # Before anything bends the surface, which might explain a part of a new one.
            looking = self._watch.look(stack, start, image)
            at_start = yield from told(looking, lambda _: waiting)
            start, _ = yield from told(
                self._moving(stack, start, light, BENDING), lambda _: waiting
            )
        file = None if self._store is None else self._store.checkpoint_file(number)

        def seen(fit: FitState | None) -> TimelapseState:
            share = 0.0 if fit is None else 0.95 * fit.progress
            overall = (len(self.results) + share) / total if total else share
            return TimelapseState(number, total, fit, progress=overall)

        fitted = yield from told(
            frame_fit(stack, start, self._psf, settings, known, file, self._resume), seen
        )
        learned_psf = learned(fitted.result)
        if learned_psf is not None:
            self._watch, self._widths = self._watching(learned_psf), fwhm_of(learned_psf)
        yield waiting
        if known is not None and start.has_contacts:
            # Few steps fit the finest detail, which swells cells by a part in a thousand at first.
            result = fitted.result
            mesh, image = yield from told(
                self._moving(stack, result.mesh, result.intensities, BENDING), lambda _: waiting
            )
            fitted = fitted._replace(result=replace(result, mesh=mesh, _render=lambda: image))
        result = fitted.result
        looking = self._watch.look(stack, result.mesh, result.image)
        look = yield from told(looking, lambda _: waiting)
        if at_start is not None:
            look = at_start._replace(ratios=_larger(at_start.ratios, look.ratios))
        ratios = look.ratios
        iterations = len(fitted.result.loss_history)
        suspects = [one.region for one in suspicions(ratios, self._history())]
        yield waiting
        divisions: list[Division] = []
        wanted = [region for region in suspects if self._may_cut(region, number)]
        if wanted:
            again = yield from told(
                refit_divided(
                    stack,
                    fitted,
                    look,
                    wanted,
                    self._next_region(),
                    self._watch,
                    fitted.result.psf,
                    self._divided_settings(),
                    file,
                    self._resume,
                ),
                seen,
            )
            if again is not None:
                fitted, ratios = again.fitted, again.ratios
                iterations += len(fitted.result.loss_history)
                for cut in again.cuts:
                    suspects.remove(cut.region)
                    children = cut.region, cut.new_region
                    divisions.append(Division(number, cut.region, children))
        result = fitted.result
        # A first frame is as the user wants it.
        kept = self._without_lost(result.mesh, stack, self._widths) if self.results else result.mesh
        regions = set(kept.regions.tolist())
        before_it = self.results[-1].mesh if self.results else kept
        lost = [region for region in before_it.regions.tolist() if region not in regions]
        intensities = carried(result.intensities, result.mesh, kept, 0.0).intensities
        warnings = [*result.warnings, *_sentences(suspects, divisions, lost)]
        found = FrameResult(
            frame=number,
            mesh=kept,
            intensities=intensities,
            loss=float(result.loss_history[-1]) if result.loss_history else float("nan"),
            iterations=iterations,
            seconds=time.perf_counter() - begun,
            stop_reason=result.stop_reason,
            warnings=warnings,
            ratios=ratios,
            suspects=suspects,
            divisions=divisions,
            lost=lost,
            noise=float(fitted.noise),
        )
        return found, learned_psf

    def _moving(
        self,
        stack: ImageStack,
        mesh: TriangleMesh,
        intensities: Intensities,
        rounds: Sequence[Round],
    ) -> Generator[None, None, Moved]:
        """Return the mesh moved with the image in some rounds."""
        backend = self._later.backend
        return moving_with_image(mesh, intensities, stack, self._psf, backend, rounds)

    def _without_lost(
        self, mesh: TriangleMesh, stack: ImageStack, widths: NDArray[np.float64]
    ) -> TriangleMesh:
        """Return the mesh without regions that cannot be followed any further."""
        for region in unresolved_regions(mesh, stack, widths):
            mesh = without_region(mesh, region)
        return mesh

    def _history(self) -> list[dict[int, float]]:
        """Return the ratios of sound regions in the frames before."""
        return [
            {key: value for key, value in one.ratios.items() if key not in one.suspects}
            for one in self.results
        ]

    def _may_cut(self, region: int, number: int) -> bool:
        recent = self.results[-_PATIENCE:]
        refused = [one.frame for one in recent if region in one.suspects]
        return self._reseed and (not refused or number - refused[0] >= _PATIENCE)

    def _next_region(self) -> int:
        known = [self._mesh, *(one.mesh for one in self.results)]
        return max(int(mesh.labels.max()) for mesh in known) + 1

    def _divided_settings(self) -> FitSettings:
        stages = min(self._first.stages, _DIVIDED_STAGES)
        return self._first.model_copy(update={"stages": stages, "learn": ()})


def _larger(ratios: dict[int, float], others: dict[int, float]) -> dict[int, float]:
    """Return the larger ratio of each region."""
    regions = sorted({*ratios, *others})
    return {region: max(ratios.get(region, 0.0), others.get(region, 0.0)) for region in regions}


def _sentences(suspects: list[int], divisions: list[Division], lost: list[int]) -> list[str]:
    found = [
        f"region {one.parent} has divided, its daughters are {one.children[0]} and "
        f"{one.children[1]}"
        for one in divisions
    ]
    found += [
        f"region {region}: the residual shows a surface that the mesh lacks; has it divided?"
        for region in suspects
    ]
    found += [
        f"region {region} was lost: it is smaller than the image resolves, or has left the stack"
        for region in lost
    ]
    return found
