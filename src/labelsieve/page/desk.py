"""The data behind every request: the findings in memory, the journal, and the state of each example as one byte.

Several reviewers and several servers may work on one run folder. Before each answer the new rows of the journal are
read, so that every process sees every committed decision. Scores never change; only the decisions do.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from threading import Lock, RLock

import numpy as np

from labelsieve.core.annotators import Annotators
from labelsieve.core.dataset import Dataset
from labelsieve.core.decision import FINAL, Decision, Fold
from labelsieve.core.errors import UserError
from labelsieve.core.findings import Findings
from labelsieve.core.row_matching import Follow
from labelsieve.decide.calibrate import Calibrated, follow
from labelsieve.decide.outlook import Step, trail
from labelsieve.decide.reviewers import own_answers
from labelsieve.page.id_index import IdIndex
from labelsieve.page.pace import Paces
from labelsieve.page.question_graph import of_questions
from labelsieve.page.ranking import Ranking, rank
from labelsieve.store import class_guide, known_items, run, sample_files
from labelsieve.store.annotator_files import with_votes
from labelsieve.store.postgres import journal_of
from labelsieve.store.reopen import Reopened, reopen
from labelsieve.store.run_reader import read_neighbours, read_record

STATES = ("open", *FINAL, "later", "conflict")
CODE = {name: code for code, name in enumerate(STATES)}
OPEN, LATER, CONFLICT = CODE["open"], CODE["later"], CODE["conflict"]
DECIDED = np.array([name in FINAL for name in STATES])  # by code: reviewers agree on an answer
FOUND = np.array([name in ("relabel", "exclude") for name in STATES])  # by code: the answer is that the label is wrong
PATIENCE = 0.5  # seconds that a calibration may delay an answer


class Desk:
    """One run folder under review.

    Raises:
        UserError: there is no finished run, or its journal cannot be opened.
    """

    def __init__(self, folder: str | Path, findings: Findings | None = None, journal: str | None = None):
        """`journal` is the address of a PostgreSQL server for the decisions."""
        self.folder = Path(folder)
        self.findings = run.load(folder) if findings is None else findings
        self.several = self.findings.settings.get("several") or 0  # classes that each example may have
        graph, no_neighbours = read_neighbours(self.folder, len(self.findings) // max(1, self.several))
        self.neighbours = of_questions(graph, self.several)
        self.record, no_record = read_record(self.folder, len(self.findings))
        self.annotators, no_votes = _votes(self.folder, self.findings)
        self.evidence_errors = [
            why for why in (no_neighbours, no_record, no_votes) if why
        ]  # evidence that the page cannot show
        self.positions = IdIndex(self.findings.ids)
        self.classes = {name: c for c, name in enumerate(self.findings.classes)}
        self.guide = class_guide.load(folder)  # the meaning of the classes
        self.readonly = not os.access(self.folder, os.W_OK)
        self.lock = RLock()
        self.journal = journal_of(self.folder, self._hash, journal)
        self.fold, self.seq = Fold(), 0
        self.state = np.zeros(len(self.findings), np.uint8)
        self.taken_back: dict[str, str] = {}  # batch of an undo or redo -> the batch it applies to
        self.follow = Follow(self.findings, self.positions.of)
        self.known, self.lost_known = known_items.read(folder, self.follow)
        self.paces = Paces()
        self._now: tuple[tuple[int, int], Calibrated] | None = None
        self.catch_up()
        self.ranking = self.calibrated = rank(self.findings, *self._journal())
        self._calibrating = Lock()
        self._worker = ThreadPoolExecutor(1)  # for work that no request waits for
        self._worker.submit(self.positions.of, "")  # so that the first decision does not wait for the index
        self._trail = self._worker.submit(self._past)
        self._data: Future[tuple[Reopened, Dataset]] = ThreadPoolExecutor(1).submit(_opened, self.folder, self.findings)

    @cached_property
    def id(self) -> str:
        """A name for this run, under which pictures are cached. It changes if the same rows hold other examples."""
        if self.findings.content is None:
            return self._hash[:16]
        made = hashlib.sha256(self._hash.encode("utf-8", "surrogatepass"))
        made.update(np.ascontiguousarray(self.findings.content).data)
        return made.hexdigest()[:16]

    @property
    def _hash(self) -> str:
        return str(self.findings.settings.get("data_hash", "run"))

    def data(self) -> Dataset:
        """The inputs; waits until they are open.

        Raises:
            UserError: they cannot be read again.
        """
        try:
            return self._data.result()[1]
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"The data of {self.folder} cannot be read again ({error}).") from error

    def data_notes(self) -> list[str]:
        """What has changed in the data since `find`; nothing while the data are being opened, or if they cannot be."""
        return [] if not self._data.done() or self._data.exception() else self._data.result()[0].notes()

    def sample(self, name: str) -> tuple[list[int], list[str]]:
        """The positions of a sample in the order of the draw, and the ids of drawn examples that no longer exist."""
        drawn = sample_files.load(self.folder, name)
        with self.lock:
            positions = self.follow.places(drawn.keys)
        lost = [key for key, i in zip(drawn.ids, positions, strict=True) if isinstance(i, str)]
        return [i for i in positions if not isinstance(i, str)], lost

    def missing(self, i: int) -> str | None:
        """Why the data no longer contain the example at position i as `find` saw it; None if they do, or are not
        open."""
        if not self._data.done() or self._data.exception():
            return None
        reopened = self._data.result()[0]
        return reopened.why(i) if reopened.at[i] < 0 else None

    def data_error(self) -> str | None:
        """Why the inputs cannot be shown; None if they can, or are still being opened."""
        if not self._data.done():
            return None
        try:
            self.data()
        except UserError as error:
            return error.in_words()
        return None

    def catch_up(self) -> list[int]:
        """Read the new rows of the journal; returns the positions whose state may have changed."""
        with self.lock:
            new, self.seq = self.journal.read(self.seq)
            if not new:
                return []
            self.paces.add(new)
            self.taken_back |= {row.batch: row.target or "" for row in new if row.act in ("undo", "redo")}
            return self._refresh(self.fold.add(self.follow(new)))

    def _journal(self) -> tuple[list[Decision], int]:
        """Every row of the journal with its current id, and the number of the last row."""
        rows, seq = self.journal.read()
        return self.follow(rows), seq

    def _refresh(self, ids: Iterable[str]) -> list[int]:
        changed = []
        for id in ids:
            i = self.positions.of(id)
            if i is None:
                continue
            self.state[i] = state_of(self.fold.of(id).values())
            changed.append(i)
        return changed

    def write(self, rows: list[Decision]) -> int:
        """Commit decisions and read them back, with those of others; returns the number of new ones.

        Raises:
            PermissionError: the run folder is read-only.
        """
        if self.readonly:
            raise PermissionError(f"{self.folder} is read-only; decisions cannot be saved.")
        with self.lock:
            saved = self.journal.append(rows)
            self.catch_up()
            return saved

    def rerank(self) -> Ranking:
        """Calibrate with the decisions so far and use the new order."""
        self.ranking = self.calibrate()
        return self.ranking

    def calibrate(self) -> Ranking:
        """Calibrate with the decisions so far; the page keeps the order of `ranking`. Requests continue meanwhile."""
        with self._calibrating:
            if self.calibrated.version < self.seq:
                with self.lock:
                    rows, seq = self._journal()
                self.calibrated = rank(self.findings, rows, seq)
            return self.calibrated

    def latest(self) -> Ranking:
        """The newest calibration. If calibrating takes long, it runs in the background and the last one is returned."""
        if self.calibrated.seconds < PATIENCE:
            return self.calibrate()
        if self.calibrated.version < self.seq and not self._calibrating.locked():
            self._worker.submit(self.calibrate)
        return self.calibrated

    @property
    def change(self) -> tuple[int, int]:
        """Differs after every decision and every calibration in the background: the page then loads its figures
        again."""
        return self.seq, self.calibrated.version if self.calibrated.seconds >= PATIENCE else 0

    def now(self) -> Calibrated:
        """All figures after all decisions: the newest calibration and the decisions since. Cheap: each answer has
        it."""
        with self.lock:
            key = (self.calibrated.version, self.seq)
            if self._now is None or self._now[0] != key:
                now = self.calibrated.calibration
                if key[0] != key[1]:
                    now = follow(now, DECIDED.take(self.state), FOUND.take(self.state))
                self._now = (key, now)
            return self._now[1]

    def doubts(self, i: int, *, concealed: bool = False) -> bool:
        """Whether example `i` is doubted, so that it has a suggestion; `concealed` treats it as open."""
        return bool((concealed or not DECIDED[self.state[i]]) and self.calibrated.p_wrong[i] > 0.5)

    def trail(self) -> list[Step]:
        """The estimate after growing numbers of decisions: before this server started, and now."""
        past = list(self._trail.result()) if self._trail.done() else [Step(0, self.findings.wrong)]
        self.latest()
        now = self.now()
        past = [step for step in past if step.reviewed < now.reviewed or not step.reviewed]
        return [*past, Step(now.reviewed, now.wrong)] if now.reviewed > past[-1].reviewed else past

    def _past(self) -> tuple[Step, ...]:
        with self.lock:
            rows, _ = self._journal()
        return trail(self.findings, rows if self.calibrated.seconds < PATIENCE else [])

    def states(self, rows: Iterable[int]) -> dict[str, str]:
        """Position -> name of the state, for the page."""
        return {str(i): STATES[self.state[i]] for i in rows}

    def decided_by(self, reviewer: str) -> np.ndarray:
        """(n,) bool, the examples with a current decision of this reviewer other than "later"."""
        with self.lock:
            mine = [
                self.positions.of(row.id)
                for row in self.fold.standing()
                if row.reviewer == reviewer and row.act != "later"
            ]
        out = np.zeros(len(self.findings), bool)
        out[[i for i in mine if i is not None]] = True
        return out

    def asked(self, i: int) -> str | None:
        """The class that question `i` is about; None where examples have one label each."""
        return self.findings.classes[self.findings.given[i] | 1] if self.several else None

    def conceals(self, id: str, reviewer: str) -> bool:
        """Whether it is a known example that this reviewer has not answered: decisions of others must not show."""
        return id in self.known and reviewer not in own_answers(self.fold, id)

    def close(self) -> None:
        self._worker.shutdown(cancel_futures=True)
        with self.lock:
            self.journal.close()


def _votes(folder: Path, findings: Findings) -> tuple[Annotators | None, str]:
    """The annotators with their votes, or None; then why they cannot be shown, "" if the run has none."""
    if findings.annotators is None or findings.annotators.votes is not None:
        return findings.annotators, ""
    try:
        return with_votes(findings.annotators, folder, findings), ""
    except UserError as error:
        return None, f"Votes are not shown: {error.in_words()}"


def _opened(folder: Path, findings: Findings) -> tuple[Reopened, Dataset]:
    reopened = reopen(folder, findings)
    return reopened, reopened.aligned()


def state_of(current: Iterable[Decision]) -> int:
    """The state that follows from the current decisions of all reviewers, as in `Fold.verdict` and `Fold.conflict`."""
    acts = {(row.act, row.label) for row in current}
    answers = [act for act, _ in acts if act in FINAL]
    if len(answers) > 1:
        return CONFLICT
    return CODE[answers[0]] if answers else LATER if acts else OPEN
