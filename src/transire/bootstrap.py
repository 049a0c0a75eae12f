"""The only wiring: settings in, one running installation out.

Everything below gets its clock, randomness and adapters from here.
"""

import os
from collections.abc import Callable

import structlog

from transire.authorize.cedar import CedarAuthorizer
from transire.bundle.acts import MODE_KEY
from transire.bundle.compiled import CompiledBundle
from transire.bundle.labels import region_contradicts
from transire.classify.detector import EngineDetector
from transire.classify.judged import ConversationTexts
from transire.classify.language import LanguageJudge
from transire.classify.names.finder import NameFinder
from transire.classify.note import Notes
from transire.classify.pool import ScanPool
from transire.clock import SystemClock
from transire.dispatch import Dispatch
from transire.domain.bundle import Bundle, Quarantine
from transire.domain.governed import Governed
from transire.domain.guarding import ANSWER_GUARDS, WRONG_LANGUAGE
from transire.domain.ports import Clock
from transire.following import Follower
from transire.forward.fallback import AttemptPlan
from transire.forward.forwarder import OpenAIForwarder
from transire.forward.moderation import HttpModeration
from transire.guard.answers import AnswerGuards
from transire.guard.asked import LANGUAGES
from transire.guard.refusal import refuses
from transire.identity.acts import Acts
from transire.identity.digests import InstallationKeys
from transire.identity.keys import KeyRing
from transire.identity.people import People
from transire.installation import Installation
from transire.judging import Judging
from transire.limits.admission import Admission, AdmissionLimits, FailedAuthLimiter
from transire.limits.bucket import Rate
from transire.limits.escalations import EscalationQuota
from transire.limits.recalled import KINDS, WITHIN, EscalationMemory
from transire.limits.retries import RetryBudget
from transire.limits.sessions import SessionMemory
from transire.limits.spending import left_of
from transire.limits.summaries import Summaries
from transire.moderation import Moderation
from transire.observe.metrics import Metrics
from transire.opening import close_open_permits, found, open_answers, open_keys, open_writer
from transire.outbound.client import Bounds, Outbound
from transire.outbound.secrets import Secrets
from transire.pursuit import Pursuit
from transire.recall import Recall
from transire.record.front import LogFront
from transire.record.judgments import LogJudgeRecorder
from transire.record.moderations import LogModerationRecorder
from transire.record.query import Projection
from transire.record.recorder import LogRecorder
from transire.record.seal import StateSeal
from transire.record.shadows import LogShadowRecorder
from transire.review.openings import Places
from transire.review.queue import ReviewQueue
from transire.router import Router
from transire.score.health import FleetHealth
from transire.score.quality.admission import open_reader
from transire.score.scorer import BundleScorer
from transire.settings import Settings
from transire.shadowing import Bounds as ShadowBounds
from transire.shadowing import Shadowing
from transire.spotchecks import Bounds as SpotCheckBounds
from transire.spotchecks import SpotChecks
from transire.steering import Steering
from transire.trials.keeper import TrialKeeper
from transire.validate.contract import ContractValidator
from transire.validate.leakage import AnswerInspector
from transire.validate.verdicts import AnswerAppraiser
from transire.validate.worth import SignEvaluator

__all__ = ["open_installation"]

_log = structlog.get_logger()


async def open_installation(
    settings: Settings,
    *,
    clock: Clock | None = None,
    entropy: Callable[[int], bytes] = os.urandom,
) -> Installation:
    """Open what `settings.data` holds, founding it where it is empty.

    Raises:
        IntegrityError: the log is not the one this folder last held; says what to do.
        BundleError: genesis is refused, with every located problem.
    """
    clock = clock or SystemClock()
    keyed = open_keys(settings, entropy)
    log = await open_writer(settings, clock, entropy)
    try:
        return await _wire(settings, clock, entropy, keyed, log)
    except BaseException:
        await log.close()
        raise


def _output_guard(bundle: Bundle) -> AnswerGuards | None:
    """Guards of whole answers; the model of languages is loaded where one asks for it."""
    asked = bundle.guards.intersection(ANSWER_GUARDS)
    if not asked:
        return None
    if WRONG_LANGUAGE not in asked:
        return AnswerGuards(asked)
    judge = LanguageJudge(tuple(sorted(LANGUAGES))).judge
    return AnswerGuards(asked, lambda text: judge(text, len(text)))


async def _wire(
    settings: Settings,
    clock: Clock,
    entropy: Callable[[int], bytes],
    keyed: InstallationKeys,
    log: LogFront,
) -> Installation:
    metrics, health, sessions = Metrics(), FleetHealth(clock), SessionMemory(clock)
    pool = ScanPool(workers=settings.detection.workers, queue=settings.detection.queue)
    recorder = LogRecorder(log, clock)

    secrets = Secrets(
        {name: value.get_secret_value() for name, value in settings.upstream.secrets.items()},
        settings.upstream.secrets_dir,
    )

    def build(compiled: CompiledBundle) -> Governed:
        secrets.load(compiled.bundle.catalog.credentials)
        return Governed(
            bundle=compiled.bundle,
            quarantine=steering.current().quarantine if steering.compiled else Quarantine(),
            detector=EngineDetector(
                compiled.bundle,
                keyed=keyed,
                clock=clock,
                pool=pool,
                inline_max_chars=settings.detection.inline_max_chars,
                names=NameFinder.load(
                    compiled.bundle.detector.names,
                    clock.monotonic,
                    threads=settings.detection.name_threads,
                    queue=settings.detection.name_queue,
                ),
                learned=open_reader(compiled.bundle),
            ),
            authorizer=CedarAuthorizer(compiled),
            scorer=BundleScorer(
                compiled.bundle,
                health,
                left_of(compiled.bundle.catalog.budgets, log.peek, clock),
            ),
            output_guard=_output_guard(compiled.bundle),
        )

    acts = Acts(
        lambda: steering.current().authorizer,
        lambda: log.peek(MODE_KEY) == "solo",
        clock,
    )
    steering = Steering(build, log, pool.warm_up)
    validator = ContractValidator()
    keys = KeyRing(log, log.peek, keyed=keyed, clock=clock, entropy=entropy)
    people = People(
        log,
        log.peek,
        keyed=keyed,
        clock=clock,
        entropy=entropy,
        is_solo=lambda: log.peek(MODE_KEY) == "solo",
    )
    reviews = ReviewQueue(
        log,
        recorder,
        holders=keys.holders,
        places=Places(
            per_key=settings.limits.reviews_per_key, per_tenant=settings.limits.reviews_per_tenant
        ),
        clock=clock,
        entropy=entropy,
    )
    outbound = Outbound(
        Bounds(
            connect_s=settings.upstream.connect_s,
            idle_s=settings.upstream.idle_s,
            max_bytes=settings.upstream.max_bytes,
        )
    )
    admission = Admission(
        clock=clock,
        limits=AdmissionLimits(
            in_flight=settings.limits.in_flight,
            per_principal=settings.limits.per_key,
            rate=Rate(per_s=settings.limits.rate_per_s, burst=settings.limits.burst),
        ),
    )
    doorkeeper = FailedAuthLimiter(clock, Rate(per_s=settings.limits.failures_per_s, burst=20))
    forwarder = OpenAIForwarder(
        outbound, keyed=keyed, secret=secrets.get, vouch=recorder.vouch, clock=clock
    )
    inspector, answers = AnswerInspector(clock), open_answers(settings, keyed, clock, entropy)
    recall = (
        None
        if answers is None
        else Recall(
            store=answers,
            keyed=keyed,
            forwarder=forwarder,
            recorder=recorder,
            validator=validator,
            inspector=inspector,
            observer=metrics,
            clock=clock,
            max_bytes=settings.cache.max_answer_bytes,
        )
    )
    moderation = Moderation(
        service=HttpModeration(
            outbound, keyed=keyed, secret=secrets.get, vouch=recorder.vouch, clock=clock
        ),
        recorder=LogModerationRecorder(recorder, clock),
        sessions=sessions,
        health=health,
        observer=metrics,
        clock=clock,
    )
    boot = log.names.boot
    trials = TrialKeeper(log, keyed, steering.current, boot=boot, rolled_back=metrics.rolled_back)
    projection = Projection(settings.data, log, StateSeal(keyed.derive("index")))
    limits = settings.limits
    escalations = EscalationQuota(
        clock,
        key=Rate(per_s=limits.escalations_per_s, burst=limits.escalations_burst),
        application=Rate(
            per_s=limits.application_escalations_per_s,
            burst=limits.application_escalations_burst,
        ),
        steered=metrics.steered,
    )
    appraiser = AnswerAppraiser(evaluator=SignEvaluator(), refuses=refuses)
    judging = Judging(
        governed=steering.current,
        keyed=keyed,
        texts=ConversationTexts(keyed),
        recorder=LogJudgeRecorder(recorder, clock, log.peek),
        forwarder=forwarder,
        observer=metrics,
        contradicts=region_contradicts,
        entropy=entropy,
        clock=clock,
        places=limits.judgments,
    )
    dispatch = Dispatch(
        governed=steering.current,
        trials=trials,
        recorder=recorder,
        forwarder=forwarder,
        validator=validator,
        inspector=inspector,
        appraiser=appraiser,
        health=health,
        observer=metrics,
        contradicts=region_contradicts,
        clock=clock,
        recall=recall,
        judging=judging,
    )
    installation = Installation(
        settings=settings,
        clock=clock,
        log=log,
        projection=projection,
        trials=Follower(projection, ("feedback", "outcome"), trials.hear, now=clock.now),
        granted=Follower(
            projection,
            KINDS,
            EscalationMemory(
                escalations, lambda: steering.current().bundle.routing.cascades, clock, boot=boot
            ).hear,
            now=clock.now,
            within=WITHIN,
        ),
        keyed=keyed,
        acts=acts,
        keys=keys,
        people=people,
        reviews=reviews,
        recorder=recorder,
        router=Router(
            governed=steering.current,
            trials=trials,
            health=health,
            recorder=recorder,
            reviews=reviews,
            pursuit=Pursuit(
                governed=steering.current,
                dispatch=dispatch,
                attempts=AttemptPlan(),
                notes=Notes(keyed),
                retries=RetryBudget(
                    clock,
                    share=settings.upstream.retry_share,
                    per_s=settings.upstream.retries_per_s,
                    most=settings.upstream.retries_saved,
                ),
                escalations=escalations,
                sessions=sessions,
                observer=metrics,
                clock=clock,
            ),
            validator=validator,
            sessions=sessions,
            observer=metrics,
            clock=clock,
            moderation=moderation,
        ),
        metrics=metrics,
        admission=admission,
        doorkeeper=doorkeeper,
        sessions=sessions,
        summaries=Summaries(
            log,
            (admission.drain_counts, doorkeeper.drain_counts),
            admission.tally,
            replica=settings.log.replica,
            tenant_of=lambda key_id: None if (key := keys.get(key_id)) is None else key.tenant,
        ),
        health=health,
        steering=steering,
        outbound=outbound,
        secrets=secrets,
        pool=pool,
        validator=validator,
        shadows=Shadowing(
            governed=steering.current,
            recorder=LogShadowRecorder(recorder, clock, log.peek),
            forwarder=forwarder,
            validator=validator,
            appraiser=appraiser,
            observer=metrics,
            keyed=keyed,
            contradicts=region_contradicts,
            clock=clock,
            bounds=ShadowBounds(
                in_flight=limits.shadows,
                waiting=limits.shadows_waiting,
                timeout_s=limits.shadow_s,
            ),
        ),
        spot_checks=SpotChecks(
            governed=steering.current,
            judging=judging,
            observer=metrics,
            bounds=SpotCheckBounds(waiting=limits.judgments_waiting),
        ),
        answers=answers,
        recall=recall,
    )
    founded = await found(settings, log, people, now=clock.now())
    if founded is not None:
        if answers is not None:
            await answers.forget_all()
        installation.first_credential = founded[1]
    await steering.follow(founded[0] if founded else None)
    await close_open_permits(log, installation.projection)
    for name in installation.missing_credentials():
        _log.warning("upstream.credential_missing", credential=name)
    return installation
