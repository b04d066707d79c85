"""Checkpoints: a training's progress on disk, from which it goes on as if never interrupted."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from napari_deltamic.archives import check_archive
from napari_deltamic.compressive.model import CompressiveModel
from napari_deltamic.compressive.patches import Patches
from napari_deltamic.compressive.progress import Progress
from napari_deltamic.compressive.state import Epoch, Task
from napari_deltamic.compressive.torch_files import write_torch

_VERSION = 1


def identity_of(model: CompressiveModel, training: Patches, validation: Patches, task: Task) -> str:
    """Return what tells one training from another; the model is as the training begins."""
    digest = hashlib.sha256(f"{model.settings.model_dump_json()} {task}".encode())
    acquisition = model.acquisition
    tensors = [
        *model.state_dict().values(),
        acquisition.projection.transfer,
        acquisition.detection.transfer,
        *(part for set_ in (training, validation) for part in (set_.images, set_.targets)),
    ]
    for tensor in tensors:
        digest.update(b"none" if tensor is None else repr(tuple(tensor.shape)).encode())
        if tensor is not None:
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def save_checkpoint(
    path: Path,
    identity: str,
    progress: Progress,
    model: CompressiveModel,
    optimiser: torch.optim.Optimizer,
) -> None:
    """Write a training's progress; the file is whole at every moment."""
    content = {
        "version": _VERSION,
        "identity": identity,
        "generator": progress.generator.get_state(),
        "step": progress.step,
        "epochs": [tuple(epoch) for epoch in progress.epochs],
        "best": progress.best,
        "weights": progress.weights,
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
    }
    write_torch(path, content)


def load_checkpoint(
    path: Path, identity: str, model: CompressiveModel, optimiser: torch.optim.Optimizer
) -> Progress:
    """Return a training's progress, with the model and the optimiser set to where they were.

    Raises
    ------
    ValueError
        If the file is not a checkpoint, or is one of another training.
    """
    try:
        check_archive(path)
        content = torch.load(path, weights_only=True)
        version, of_training = content["version"], content["identity"]
    # A damaged file fails in a dozen ways, from the archive's to the unpickler's.
    except Exception as error:
        raise ValueError(f"checkpoint: {path} cannot be read ({error}); start afresh") from error
    if version != _VERSION:
        raise ValueError(f"checkpoint: {path} is of another version ({version}); start afresh")
    if of_training != identity:
        raise ValueError(
            f"checkpoint: {path} belongs to a training of another model, of other patches or "
            "settings; give the same ones, or start afresh"
        )
    try:
        model.load_state_dict(content["model"])
        optimiser.load_state_dict(content["optimiser"])
        generator = torch.Generator()
        generator.set_state(content["generator"])
        return Progress(
            generator,
            content["step"],
            [Epoch(*epoch) for epoch in content["epochs"]],
            content["best"],
            content["weights"],
        )
    # Numbers and lists where others are expected fail in many ways, torch's in many lines.
    except Exception as error:
        reason = str(error).partition("\n")[0]
        raise ValueError(f"checkpoint: {path} is damaged ({reason}); start afresh") from error
