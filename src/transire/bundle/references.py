"""Every name in taxonomy, catalog and routing resolves, and each problem is located.

A dangling reference is the worst kind of error here: Cedar skips a policy that meets an entity it
does not know, so a forbid would silently not hold.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from transire.bundle.cascades import cascade_problems
from transire.bundle.documents.catalog import ApplicationDocument, CatalogDocument, TenantDocument
from transire.bundle.documents.deployments import DeploymentDocument, ModeratorDocument
from transire.bundle.documents.routing import RoutingDocument
from transire.bundle.documents.taxonomy import TaxonomyDocument
from transire.bundle.judges import judge_problems
from transire.bundle.labels import contradicting_labels
from transire.bundle.namemodels import listed_names, name_problems
from transire.bundle.yamlread import Document
from transire.domain.deployment import Catalog
from transire.domain.guarding import ALL_GUARDS
from transire.domain.taxonomy import Taxonomy

__all__ = ["References"]


@dataclass(slots=True)
class References:
    """Finds dangling names and duplicates across files, each with its place.

    Attributes:
        problems: Located reasons, in the order they were found.
        places: (section, id) → where it stands in which file.
    """

    vocabulary: TaxonomyDocument
    problems: list[str]
    places: dict[tuple[str, str], tuple[Document, tuple[str | int, ...]]] = field(
        default_factory=dict
    )

    def taxonomy(self, at: Document) -> None:
        """Every name used inside the taxonomy is a member of its vocabulary."""
        words = self.vocabulary
        for name, item in words.data_classes.items():
            path = ("data_classes", name, "implies")
            self._known(at, path, item.implies, words.data_classes, "data class")
        for name, place in words.jurisdictions.items():
            path = ("jurisdictions", name, "within")
            self._known(at, path, place.within, words.jurisdictions, "jurisdiction")
        for name, entity in words.entities.items():
            path = ("entities", name, "class")
            self._known(at, path, [entity.data_class], words.data_classes, "data class")
        for index, derivation in enumerate(words.derivations):
            names = [derivation.data_class, *derivation.when_all]
            self._known(at, ("derivations", index), names, words.data_classes, "data class")
        for problem in name_problems(listed_names(words.detector.names)):
            self.problems.append(f"{at.where(('detector', 'names'))}: {problem}")
        audited = words.detector.audited
        self._known(at, ("detector", "audited"), audited, words.data_classes, "data class")
        for name in self._impersonal():
            self.problems.append(
                f"{at.where(('data_classes', name))}: `{name}` is personal, so it must imply "
                "`PERSONAL`, or rules/limits would not treat it so while it is uncovered"
            )
        for section in ("purposes", "stakes", "tiers", "roles", "egress_capabilities"):
            members: list[str] = getattr(words, section)
            for name in sorted({n for n in members if members.count(n) > 1}):
                self.problems.append(f"{at.where((section,))}: `{name}` stands twice")

    def _impersonal(self) -> list[str]:
        """Classes marked personal from which no chain of `implies` leads to PERSONAL."""
        classes = self.vocabulary.data_classes
        reached = {"PERSONAL"}
        while grown := {
            n for n, c in classes.items() if n not in reached and reached & {*c.implies}
        }:
            reached |= grown
        return [name for name, item in classes.items() if item.personal and name not in reached]

    def merge(self, catalogs: list[tuple[Document, CatalogDocument]]) -> CatalogDocument:
        """Join all catalog files, refusing an id that stands twice, and resolve references."""
        sections: dict[str, dict[str, Any]] = {name: {} for name in CatalogDocument.model_fields}
        for at, document in catalogs:
            for section, known in sections.items():
                for name, item in getattr(document, section).items():
                    path = (section, name)
                    if name in known:
                        first, where = self.places[path]
                        self.problems.append(
                            f"{at.where(path)}: `{name}` stands at {first.where(where)} already"
                        )
                    known[name] = item
                    self.places[path] = (at, path)
        merged = CatalogDocument.model_construct(None, **sections)
        for name, provider in merged.providers.items():
            places, where = self.vocabulary.jurisdictions, ("providers", name)
            self._refer(
                (*where, "owner_jurisdictions"),
                provider.owner_jurisdictions,
                places,
                "jurisdiction",
            )
        for name, deployment in merged.deployments.items():
            self._deployment(name, deployment, merged)
        for name, moderator in merged.moderators.items():
            self._party(("moderators", name), moderator, merged)
            if name in merged.deployments:
                self._report(("moderators", name), "a deployment has this name already")
        for name, listed in merged.price_list.items():
            if not _is_date(listed.as_of):
                self._report(("price_list", name), "`as_of` is not a date of the calendar")
        for name, tenant in merged.tenants.items():
            self._tenant(name, tenant, merged)
        for name, application in merged.applications.items():
            self._application(name, application, merged)
        self._people(merged)
        self._acceptances(merged)
        self._budgets(merged)
        self._aliases(merged)
        return merged

    def guards(self, at: Document, provided: Collection[str]) -> None:
        """Every guard of the taxonomy is one that something can raise.

        Args:
            provided: What moderators provide, beside what is built in.
        """
        known = {*ALL_GUARDS, *provided}
        for name in self.vocabulary.guards or ():
            self._known(at, ("guards", name), [name], known, "guard")

    def _caching(self, at: Document, document: RoutingDocument, catalog: CatalogDocument) -> None:
        """A misspelt name would keep answers for longer than its author meant."""
        cache = document.cache
        self._known(at, ("cache", "tasks"), cache.tasks, document.tasks, "task")
        self._known(
            at, ("cache", "applications"), cache.applications, catalog.applications, "application"
        )

    def routing(self, at: Document, document: RoutingDocument, catalog: CatalogDocument) -> None:
        """Cues and qualities name known tasks; a cue needs only what some deployment can do."""
        if "default" not in document.tasks:
            self.problems.append(f"{at.where(('tasks',))}: a task `default` is needed")
        offered = {c for d in catalog.deployments.values() for c in d.capabilities}
        words = self.vocabulary
        self.problems.extend(
            f"{at.where(('repair_stakes',))}: the stakes level `{level}` does not exist"
            for level in document.repair_stakes or ()
            if level not in words.stakes
        )
        for name, task in document.tasks.items():
            path = ("tasks", name)
            self._known(at, (*path, "needs"), task.needs, offered, "deployment capability")
            if (task.quality_target_permille or 1000) < task.quality_floor_permille:
                self.problems.append(
                    f"{at.where(path)}: `{name}`: a `quality_target_permille` below the floor "
                    "would never count"
                )
        self._caching(at, document, catalog)
        for name, cue in document.cues.items():
            path = ("cues", name)
            self._known(at, (*path, "task"), _given(cue.task), document.tasks, "task")
            self._known(at, (*path, "stakes"), _given(cue.stakes), words.stakes, "stakes level")
            self._known(at, (*path, "needs"), cue.needs, offered, "deployment capability")
            known = words.detector.languages
            self._known(at, (*path, "languages"), cue.languages, known, "detector language")
        self.problems.extend(
            f"{at.where(path)}: {reason}" for path, reason in cascade_problems(document, offered)
        )
        self.problems.extend(
            f"{at.where(path)}: {reason}"
            for path, reason in judge_problems(document, words.stakes, catalog)
        )
        for name, deployment in catalog.deployments.items():
            where = ("deployments", name, "quality_permille")
            self._refer(where, deployment.quality_permille, document.tasks, "task")

    def prompts(
        self, prompts: Collection[str], routing: RoutingDocument, catalog: CatalogDocument
    ) -> None:
        """Applications bind prompts that exist, and to tasks that do."""
        for name, application in catalog.applications.items():
            path = ("applications", name)
            self._refer((*path, "prompt"), _given(application.prompt), prompts, "prompt")
            self._refer((*path, "prompts"), application.prompts, routing.tasks, "task")
            self._refer((*path, "prompts"), application.prompts.values(), prompts, "prompt")

    def labels(self, taxonomy: Taxonomy, catalog: Catalog) -> None:
        """Refuse a deployment whose name on the wire contradicts its declared regions."""
        for name, d in catalog.receivers.items():
            section = "moderators" if name in catalog.moderators else "deployments"
            for label in contradicting_labels(d.address, d.upstream_model, d.regions, taxonomy):
                self._report(
                    (section, name, "regions"),
                    f"`{label}` in its address or upstream model contradicts its regions "
                    f"{', '.join(d.regions)}",
                )

    def _deployment(self, name: str, d: DeploymentDocument, c: CatalogDocument) -> None:
        path = ("deployments", name)
        self._party(path, d, c)
        if "default" not in d.quality_permille:
            self._report((*path, "quality_permille"), "needs a `default`, for tasks not listed")
        for key, price in (("contract_price", d.contract_price), ("price", d.price)):
            if price is not None and not _is_date(price.as_of):
                self._report((*path, key), "`as_of` is not a date of the calendar")

    def _party(
        self, path: tuple[str, str], d: DeploymentDocument | ModeratorDocument, c: CatalogDocument
    ) -> None:
        """Who runs it where; the same of everything content can be sent to."""
        words = self.vocabulary
        self._refer((*path, "provider"), [d.provider], c.providers, "provider")
        self._refer((*path, "model"), [d.model], c.models, "model")
        self._refer((*path, "tier"), [d.tier], words.tiers, "tier")
        self._refer((*path, "regions"), d.regions, words.jurisdictions, "jurisdiction")
        self._refer((*path, "subprocessors"), d.subprocessors, words.jurisdictions, "jurisdiction")

    def _tenant(self, name: str, tenant: TenantDocument, c: CatalogDocument) -> None:
        path, words = ("tenants", name), self.vocabulary
        self._refer((*path, "home"), [tenant.home], words.jurisdictions, "jurisdiction")
        self._refer((*path, "contracts"), tenant.contracts, c.providers, "provider")
        seen: set[str] = set()
        for provider, contract in tenant.contracts.items():
            where = (*path, "contracts", provider)
            self._refer(where, contract.data_classes or [], words.data_classes, "data class")
            if contract.id in seen:
                self._report(where, f"the contract `{contract.id}` stands twice in this tenant")
            seen.add(contract.id)
            if contract.valid_from >= contract.valid_until:
                self._report(where, "`valid_from` must be before `valid_until`")

    def _application(self, name: str, a: ApplicationDocument, c: CatalogDocument) -> None:
        path, words = ("applications", name), self.vocabulary
        self._refer((*path, "tenant"), [a.tenant], c.tenants, "tenant")
        self._refer((*path, "purposes"), a.purposes, words.purposes, "purpose")
        self._refer((*path, "stakes"), [a.stakes], words.stakes, "stakes level")
        self._refer((*path, "entitlements"), a.entitlements, words.tiers, "tier")
        self._refer((*path, "pinned_model"), _given(a.pinned_model), c.models, "model")

    def _people(self, c: CatalogDocument) -> None:
        for name, person in c.people.items():
            self._refer(("people", name, "tenant"), [person.tenant], c.tenants, "tenant")
            self._refer(("people", name, "roles"), person.roles, self.vocabulary.roles, "role")

    def _acceptances(self, c: CatalogDocument) -> None:
        for name, acceptance in c.acceptances.items():
            path, classes = ("acceptances", name), self.vocabulary.data_classes
            self._refer((*path, "data_classes"), acceptance.data_classes, classes, "data class")
            self._refer((*path, "accepted_by"), acceptance.accepted_by, c.people, "person")
            self._refer((*path, "tenant"), _given(acceptance.tenant), c.tenants, "tenant")
            languages = self.vocabulary.detector.languages
            self._refer((*path, "languages"), acceptance.languages, languages, "detector language")
            if len(set(acceptance.accepted_by)) < 2:
                self._report((*path, "accepted_by"), "two different people must accept a gap")

    def _budgets(self, c: CatalogDocument) -> None:
        for name, budget in c.budgets.items():
            path = ("budgets", name)
            self._refer((*path, "tenant"), _given(budget.tenant), c.tenants, "tenant")
            self._refer(
                (*path, "application"), _given(budget.application), c.applications, "application"
            )
            if (budget.tenant is None) == (budget.application is None):
                self._report(path, "names either a `tenant` or an `application`")
            if budget.each_key and budget.application is None:
                self._report(path, "`each_key` goes with an `application`, whose keys they are")

    def _aliases(self, c: CatalogDocument) -> None:
        known = {*c.deployments, *c.models, *(m.family for m in c.models.values())}
        for name, targets in c.aliases.items():
            self._refer(("aliases", name), targets, known, "deployment, model or family")
            if name in known or name == "auto":
                self._report(("aliases", name), "an alias may not hide another name")

    def _refer(self, path: tuple[str, ...], names: Iterable[str], known: Any, what: str) -> None:
        at, _ = self.places[path[0], path[1]]
        self._known(at, path, names, known, what)

    def _known(
        self,
        at: Document,
        path: tuple[str | int, ...],
        names: Iterable[str],
        known: Iterable[str],
        what: str,
    ) -> None:
        members = set(known)
        self.problems.extend(
            f"{at.where(path)}: `{path[1]}` names the {what} `{name}`, which does not exist"
            for name in names
            if name not in members
        )

    def _report(self, path: tuple[str, ...], message: str) -> None:
        at, _ = self.places[path[0], path[1]]
        self.problems.append(f"{at.where(path)}: `{path[1]}`: {message}")


def _given(name: str | None) -> list[str]:
    return [] if name is None else [name]


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
