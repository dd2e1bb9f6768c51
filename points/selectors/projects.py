"""Reading projects, programs and their members."""

from django.db.models import QuerySet

from otc.accounts.models import User
from otc.core.errors import DomainError, ErrorCode
from points.models import Program, Project


def projects() -> QuerySet[Project]:
    return Project.objects.all()


def projects_of(*, user: User) -> QuerySet[Project]:
    """Those that `user` is a member of."""
    return Project.objects.filter(members__user=user)


def project_get(*, slug: str) -> Project:
    """Errors: NOT_FOUND."""
    found = Project.objects.filter(slug=slug).first()
    if found is None:
        raise DomainError(ErrorCode.NOT_FOUND, f"There is no project {slug}.", field="project")
    return found


def programs(*, project: str | None = None) -> QuerySet[Program]:
    """Programs with their project; of one project, by its slug, when given."""
    rows = Program.objects.select_related("project")
    return rows if project is None else rows.filter(project__slug=project)


def program_get(*, slug: str) -> Program:
    """With its project. Errors: NOT_FOUND."""
    found = Program.objects.select_related("project").filter(slug=slug).first()
    if found is None:
        raise DomainError(ErrorCode.NOT_FOUND, f"There is no program {slug}.", field="program")
    return found
