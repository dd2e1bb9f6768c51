"""Checks of stored text that every service shares, as DomainErrors that name the field."""

from collections.abc import Collection

from django.core.exceptions import ValidationError
from django.db import models

from otc.core.errors import DomainError, ErrorCode


def refuse_invalid(instance: models.Model, *, fields: Collection[str]) -> None:
    """Runs the model's own rules over `fields` of an unsaved row. Errors: INVALID with the first field at fault."""
    for name in fields:
        value = getattr(instance, name)
        if isinstance(value, str) and "\0" in value:
            raise DomainError(ErrorCode.INVALID, "Text can't hold a NUL character.", field=name)
    exclude = {field.name for field in instance._meta.get_fields()} - set(fields)  # noqa: SLF001 - Django's public name
    try:
        instance.full_clean(exclude=exclude, validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise DomainError(ErrorCode.INVALID, " ".join(messages), field=field) from error
