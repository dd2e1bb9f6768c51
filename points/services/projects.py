"""Projects, their members and their programs."""

from django.db import IntegrityError, transaction

from otc.accounts.models import User
from otc.core.errors import DomainError, ErrorCode
from points.models import Program, Project, ProjectMember
from points.services.validation import refuse_invalid


def project_member_require(*, project: Project, user: User) -> None:
    """Errors: FORBIDDEN when `user` is no member of `project`."""
    if not ProjectMember.objects.filter(project=project, user=user).exists():
        raise DomainError(
            ErrorCode.FORBIDDEN,
            f"Only members of {project.name} may do this: sign in with a wallet that belongs to the project.",
        )


def project_create(*, user: User, slug: str, name: str, description: str = "", website: str = "") -> Project:
    """A new project with `user` (a wallet) as its first member. Errors: INVALID, FORBIDDEN, CONFLICT (slug taken)."""
    if user.address is None:
        raise DomainError(ErrorCode.FORBIDDEN, "Projects are made by wallets: sign in with one.")
    project = Project(slug=slug, name=name.strip(), description=description, website=website)
    refuse_invalid(project, fields=("slug", "name", "description", "website"))
    try:
        with transaction.atomic():
            project.save()
            ProjectMember.objects.create(project=project, user=user)
    except IntegrityError as error:
        raise DomainError(ErrorCode.CONFLICT, f"A project {slug} exists: choose another slug.", field="slug") from error
    return project


def program_create(
    *,
    user: User,
    project: Project,
    slug: str,
    name: str,
    kind: int,
    unit_name: str,
    unit_decimals: int = 0,
    description: str = "",
) -> Program:
    """A new program of `project`, by a member. Errors: FORBIDDEN, INVALID, CONFLICT (slug taken)."""
    project_member_require(project=project, user=user)
    program = Program(
        project=project,
        slug=slug,
        name=name.strip(),
        kind=kind,
        unit_name=unit_name.strip(),
        unit_decimals=unit_decimals,
        description=description,
    )
    refuse_invalid(program, fields=("slug", "name", "kind", "unit_name", "unit_decimals", "description"))
    if unit_decimals > 18:  # noqa: PLR2004 - as the table's constraint
        raise DomainError(ErrorCode.INVALID, "A unit has 0 to 18 decimals.", field="unit_decimals")
    try:
        with transaction.atomic():
            program.save()
    except IntegrityError as error:
        raise DomainError(ErrorCode.CONFLICT, f"A program {slug} exists: choose another slug.", field="slug") from error
    return program
