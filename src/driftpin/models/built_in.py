"""The models that are built in, and what sets them apart from those of providers."""

from driftpin.models import offline, scripted
from driftpin.models.port import Model


def can_sum_up(model: Model) -> bool:
    """Whether the model can be asked to sum up messages; those that are built in cannot."""
    return model.name not in (offline.NAME, scripted.NAME)


__all__ = ["can_sum_up"]
