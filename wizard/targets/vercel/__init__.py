"""Vercel as a deploy target: a project stores the three variables itself, for each of its environments.

Acts through the clients of the context; imports a library only in the method that needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from wizard.core.errors import DataKeyConflict, MissingAnswers, Problem, SetupError, SharedSecretRefused
from wizard.core.models.inputs import CREATE
from wizard.core.next_command import VERCEL_LOGIN, Command, eonpro, plain_name, shell
from wizard.targets.port import Consent, DeployTarget, Files, NextStep, OnMessage, TargetDescription
from wizard.targets.vercel.inputs import INPUTS

if TYPE_CHECKING:
    from components.settings import Outputs, Settings
    from wizard.core.data_key import WrappedDataKey
    from wizard.core.models.delivery import AppVariables, Delivered
    from wizard.core.models.deployment import Instances, Redeployed
    from wizard.core.models.vercel import Scope, VercelProject
    from wizard.core.target_context import TargetContext
    from wizard.core.variable_ownership import ForeignVariable, OwnValues
    from wizard.targets.port import DeliveredAccessKey
    from wizard.vercel.client import VercelClient

NAME = "vercel"
_NO_TOKEN = "there is no token for it (VERCEL_TOKEN)"


class Vercel(DeployTarget):
    """A project on Vercel."""

    name = NAME
    order = 1
    title = "Vercel"
    company = "Vercel"
    note = "a project's variables"
    free_inputs = ("vercel_project",)
    has_own_copy = True
    has_environments = True
    builds_with_variables = True
    can_redeploy = True
    proof_note = "by the stored data key, for Vercel shows no value that it was given"
    inputs = INPUTS

    # --- the delivery

    def evidence(self, files: Files) -> Iterator[str]:
        """Vercel's own settings of a project."""
        yield from filter(files.has, ("vercel.json", "vercel.ts"))

    def deliver(
        self,
        context: TargetContext,
        variables: Mapping[str, AppVariables],
        *,
        replaceable: frozenset[str] = frozenset(),
        scopes: tuple[Scope, ...] = (),
    ) -> Iterator[Delivered]:
        """Write the variables of the stack's own Region to each environment."""
        vercel, project = project_of(context)
        region = context.settings.region
        for scope in scopes or (project.scope,):
            try:
                result = vercel.deliver(project.at(scope), variables[region], replaceable=replaceable)
            except SharedSecretRefused as error:
                raise SharedSecretRefused(error.message, own_stack(context, scope)) from error
            yield replace(result, region=region, environment=scope.words)

    def missing(self, context: TargetContext, variables: Mapping[str, AppVariables]) -> str | None:
        """Which variables the environment lacks; None also without access to Vercel."""
        if context.vercel is None or context.project is None:
            return None
        vercel, project = project_of(context)
        return vercel.check(project, variables[context.settings.region])

    def regions(self, outputs: Outputs) -> tuple[str, ...]:
        """The stack's own Region."""
        return super().regions(outputs)[:1]

    def access_problem(self, context: TargetContext) -> SetupError | None:
        """MissingAnswers without a token; else the error of reading the project."""
        if context.vercel is None:
            return MissingAnswers(
                f"the stack {context.stack} delivers to Vercel, and {_NO_TOKEN}", VERCEL_LOGIN, ("vercel_token",)
            )
        return context.project if isinstance(context.project, SetupError) else None

    def custom_environments(self, context: TargetContext) -> Mapping[str, str]:
        vercel, project = project_of(context)
        return vercel.custom_environments(project)

    def conflict(
        self,
        context: TargetContext,
        stored: WrappedDataKey | None,
        *,
        key_arn: str | None = None,
        replaceable: frozenset[str] = frozenset(),
        scopes: tuple[Scope, ...] = (),
    ) -> DataKeyConflict | None:
        """The conflict in the first environment that has one."""
        from components.settings import DATA_KEY_VARIABLE

        vercel, project = project_of(context)
        name = context.settings.names.variable
        # The other variables go with the data key.
        region, key_arn = (context.settings.region, key_arn) if key_arn and name == DATA_KEY_VARIABLE else (None, None)
        for scope in scopes or (project.scope,):
            conflict = vercel.conflict(
                project.at(scope), stored, region=region, key_arn=key_arn, replaceable=replaceable, name=name
            )
            if conflict:
                return DataKeyConflict(
                    conflict,
                    shell(
                        *("vercel", "env", "ls", scope.environment),
                        advice=f"lists the variables (project {project.name}). A data key there may be the only one "
                        "that opens existing records: remove it only if there are none",
                    ),
                )
        return None

    def foreign_variables(
        self, context: TargetContext, own: OwnValues, *, scopes: tuple[Scope, ...] = (), redeploys: bool = False
    ) -> tuple[ForeignVariable, ...]:
        """The foreign variables of each environment."""
        vercel, project = project_of(context)
        return tuple(
            variable
            for scope in scopes or (project.scope,)
            for variable in vercel.foreign_variables(project.at(scope), own)
        )

    def former_key(self, context: TargetContext) -> str | None:
        """The variable of the environment, or the one that the team shares with it."""
        vercel, project = project_of(context)
        return vercel.former_key(project)

    def rename_existing(
        self, context: TargetContext, id: str, *, stored: tuple[WrappedDataKey, ...], today: date
    ) -> str:
        """Rename a variable of the environment."""
        vercel, project = project_of(context)
        return vercel.rename_variable(project, id, stored=stored, today=today)

    def ensure_credentials(
        self, context: TargetContext, on_message: OnMessage, on_warning: OnMessage, consent: Consent
    ) -> DeliveredAccessKey | None:
        """The access key of the IAM user, created and delivered if the environment has none; None for a role."""
        if not context.settings.makes_user:
            return None
        from wizard.targets.vercel import access_key

        vercel, project = project_of(context)
        user = context.settings.names.app_user
        delivered = access_key.AccessKeys(
            aws=context.aws, vercel=vercel, project=project, user=user, on_message=on_message, consent=consent
        ).ensure()
        if warning := access_key.age_warning(context.aws.iam.list_access_keys(user), datetime.now(UTC)):
            on_warning(warning)
        return delivered

    def has_credentials(self, context: TargetContext) -> bool:
        """Whether the environment has an access key."""
        vercel, project = project_of(context)
        return vercel.access_key_id(project) is not None

    # --- what runs

    def running(self, context: TargetContext) -> Instances:
        """The environment's deployment, of preview the latest, and whether it is older than its variables."""
        from wizard.core.models.deployment import Instances
        from wizard.core.retry import together

        if context.vercel is None or context.project is None:
            return Instances(target=NAME, deployment=None, why=_NO_TOKEN)
        vercel, project = project_of(context)
        deployment, changed, release = together(
            lambda: vercel.current_deployment(project),
            lambda: vercel.last_change(project),
            lambda: vercel.rolling_release(project),
        )
        if deployment is None:
            why = f"nothing is deployed to {project.scope.words} yet"
            return Instances(target=NAME, deployment=None, stale=False, why=why)
        if changed is None:
            why = "Vercel does not say when the variables were last changed"
            return Instances(target=NAME, deployment=deployment, why=why, release=release)
        return Instances(
            target=NAME, deployment=deployment, changed=changed, stale=deployment.made < changed, release=release
        )

    def under_way(self, context: TargetContext) -> str:
        """The rolling release of production."""
        if context.vercel is None or context.project is None:
            return ""
        vercel, project = project_of(context)
        release = vercel.rolling_release(project) if project.has_rolling_releases else None
        return f"{release.canary.name}: {release.words}" if release is not None and release.is_active else ""

    def redeploy(
        self,
        context: TargetContext,
        running: Instances,
        *,
        on_message: OnMessage,
        now: Callable[[], datetime],
        pause: Callable[[float], None],
        until_complete: bool = False,
    ) -> Redeployed:
        """Deploy the same code to the environment again."""
        if context.vercel is None or context.project is None or running.deployment is None:
            what = self.runtime(context.settings)
            raise SetupError(f"the deployment of {what} is not known: {running.why}", "")
        vercel, project = project_of(context)
        if project.scope.environment == "preview":
            on_message("the latest deployment of preview is redeployed; other branches: with their next push")
        return vercel.redeploy(
            project, running.deployment, tell=on_message, changed=running.changed, until_complete=until_complete
        )

    # --- descriptions

    def runtime(self, settings: Settings) -> str:
        """The environment, in words."""
        return f"{_own(settings)} on Vercel"

    def destination(self, settings: Settings) -> str:
        environment = _own(settings)
        return f"the Vercel project {settings.vercel_team}/{settings.vercel_project}, {environment} only"

    def plan(self, settings: Settings) -> tuple[str, ...]:
        """The access key, if the application is an IAM user; else the other environments that the role trusts."""
        if not settings.makes_user:
            others = ", ".join(settings.vercel_environments)
            return (f"its role also for the deployments of {others}",) if others else ()
        return (f"an access key of {settings.names.app_user}, as Secrets, unless one is there already",)

    def summary(self, settings: Settings) -> tuple[str, str, str]:
        """The project, and whether it has an access key."""
        by = ", by an access key" if settings.makes_user else ""
        where = f"team {settings.vercel_team}, project {settings.vercel_project}, {_own(settings)}{by}"
        return "Vercel", where, "vercel_project"

    def describe(self, settings: Settings) -> TargetDescription:
        """The project, and how it becomes an AWS principal."""
        return TargetDescription(
            place=f"{settings.vercel_team}/{settings.vercel_project}",
            identity="an IAM user's access key, a Secret on Vercel"
            if settings.vercel_access == "user"
            else "Vercel's OIDC token, with sts:AssumeRoleWithWebIdentity",
            reads_from=f"the Secret and Config variables of the project's {settings.vercel_environment}",
        )

    def next_steps(self, settings: Settings, outputs: Outputs, stack: str) -> Iterator[NextStep]:
        """The code that uses the role, then the redeploy."""
        if settings.makes_role and outputs.app_user_arn is None:
            yield NextStep(
                what="Let the application open its key by Vercel's token: docs/application.md",
                verbatim=client_code(settings, outputs),
            )
        yield NextStep(
            what="Redeploy, for only a new deployment reads the variables; then save a record:",
            verbatim=eonpro("push", "--redeploy", "--stack", stack),
            deploys=True,
        )


def project_of(context: TargetContext) -> tuple[VercelClient, VercelProject]:
    """The client and the project. Raises what `Vercel.access_problem` returns."""
    from wizard.core.models.vercel import VercelProject

    if problem := TARGET.access_problem(context):
        raise problem
    assert context.vercel is not None and isinstance(context.project, VercelProject)
    return context.vercel, context.project


def _own(settings: Settings) -> str:
    """The environment that the stack is for, in words."""
    from wizard.core.models.vercel import Scope

    return Scope.of(settings).words


def own_stack(context: TargetContext, scope: Scope) -> Command:
    """The command that gives another environment of the project a stack, and so a data key, of its own."""
    settings, former, slug = context.settings, plain_name(context.stack), scope.environment
    name = slug if former == "production" and slug[0].isalpha() else f"{former}-{slug}"
    # The name of the stack is that of the environment: up to 16 characters.
    name, project, account = name[:16].rstrip("-"), settings.vercel_project or "", settings.account_id
    # What a stack does not take over from another one, and a principal that is not the other's.
    own = ["--account", account, "--vercel-project", project, "--vercel-environment", slug]
    own += ["--trail-bucket", settings.trail_bucket or ""] if settings.existing_trail_arn else []
    own += ["--app-principal", CREATE] if settings.app_principal_arn else []
    return eonpro("setup", "--stack", name, "--from", context.stack, "--target", NAME, *own)


def enable_tokens(project: VercelProject, settings: Settings) -> Command:
    """The command that has Vercel give OIDC tokens to the project's deployments, from the issuer of the settings.

    https://vercel.com/docs/rest-api/projects/update-an-existing-project
    """
    import json

    content = json.dumps({"oidcTokenConfig": {"enabled": True, "issuerMode": settings.vercel_issuer_mode}})
    call = shell("vercel", "api", f"/v9/projects/{project.id}", "--method", "PATCH", "--input", "-")
    team = ("--scope", project.team_slug) if project.team_slug else ()
    return Command(shell("echo", content), " | ", call.plus(*team))


def client_code(settings: Settings, outputs: Outputs) -> str:
    """The TypeScript that gives the application the role's credentials on Vercel."""
    return (
        "import { awsCredentialsProvider }\n"
        '  from "@vercel/oidc-aws-credentials-provider";\n'
        "// The token comes with each request: use this client inside a request,\n"
        "// not in middleware and not while a module loads. A token lives two\n"
        "// hours and is not refreshed: the next request brings a new one.\n"
        "const kms = new KMSClient({\n"
        f"  region: process.env.{settings.delivered_names.region},\n"
        "  credentials: awsCredentialsProvider({\n"
        f'    roleArn: "{outputs.app_principal_arn}",\n'
        "  }),\n"
        "});"
    )


TARGET = Vercel()


def tokens_off(settings: Settings, project: VercelProject) -> Problem:
    """A project on Vercel that gives its deployments no token."""
    return Problem(
        what=f"the Vercel project {project.name} gives its deployments no OIDC token",
        why="the application assumes its role with that token: without it it has no AWS credentials",
        next=enable_tokens(project, settings),
    )
