"""Random sequences of what people do to a repository; after each, what stands is what a fresh clone gives."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from tests.graph.fuzz.inputs import CHOICES, PARAMETERS, TRACKED, Inputs, Material, put
from tests.graph.fuzz.material import copy_base
from tests.graph.fuzz.oracle import Oracle, refused, standing
from tests.graph.fuzz.processes import Done, Moment, dvc, flairhub

LENGTH = (4, 8)
"""Fewest and most steps of a sequence, before its last `flairhub repro`."""


class FoundError(AssertionError):
    """The graph lied, or a command failed otherwise than in a sentence."""


@dataclass(slots=True)
class Sequence:
    """One clone, and what happens to it."""

    number: int
    seed: int
    material: Material
    oracle: Oracle
    clone: Path
    chance: random.Random = field(init=False)
    inputs: Inputs = field(init=False)
    noted: Inputs | None = None
    """Inputs under which sources were noted last; None: something happened in between that leaves it open."""
    commits: dict[str, Inputs] = field(default_factory=dict)
    most_events: int = 400
    story: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(f"{self.seed}-{self.number}")
        self.inputs = Inputs()
        shutil.rmtree(self.clone.parent, ignore_errors=True)
        copy_base(self.material, self.clone)
        put(self.material, self.clone, self.inputs)

    def run(self) -> None:
        """All steps.

        Raises:
            FoundError: with the story of the sequence.
        """
        steps: list[tuple[Callable[[], None], int]] = [
            *((partial(self._change, *PARAMETERS), 4), (partial(self._change, "code"), 3)),
            *((self._switch_folder, 2), (partial(self._change, "weights"), 2)),
            *((self._kill, 3), (self._edit_meanwhile, 3), (self._repro, 3), (self._plain_repro, 3)),
            *((self._damage, 1), (self._commit, 1), (self._checkout, 2), (self._restore, 1)),
        ]
        try:
            for step in self.chance.choices(
                [step for step, _ in steps], [weight for _, weight in steps], k=self.chance.randint(*LENGTH)
            ):
                step()
            self._repro()
            self._require_clean()
        except FoundError as error:
            story = "\n  ".join(self.story)
            raise FoundError(f"sequence {self.number} of seed {self.seed}: {error}\n  {story}") from error
        shutil.rmtree(self.clone.parent)

    # --- what is done to the clone ---

    def _change(self, *names: str) -> None:
        self._put(self.inputs.with_change(self.chance, names))

    def _switch_folder(self) -> None:
        self._put(replace(self.inputs.with_change(self.chance, ("folder",)), source="local"))

    def _put(self, inputs: Inputs) -> None:
        changed = {name: getattr(inputs, name) for name in sorted(inputs.differ(self.inputs))}
        self.story.append(f"edit {changed}")
        put(self.material, self.clone, inputs, self.inputs)
        self.inputs = inputs

    def _moment(self) -> int:
        """A number of an event in a run that has something to do; most runs have few."""
        self._put(self.inputs.with_change(self.chance, tuple(CHOICES)))
        return self.chance.randint(1, self.chance.choice((60, 300, self.most_events)))

    def _kill(self) -> None:
        event = self._moment()
        command = self.chance.choice(("flairhub", "dvc"))
        done = self._command(command, "repro", moment=Moment(event=event, act=None))
        self.story.append(f"{command} repro, killed at event {event} of {done.events}: {done.status}")
        self._note(command, done)
        if done.events < event:
            self._require_sentence(done)

    def _edit_meanwhile(self) -> None:
        event, before = self._moment(), self.inputs
        after = self.inputs.with_change(self.chance, tuple(CHOICES))
        if self.chance.random() < 0.3:
            after = after.with_change(self.chance, tuple(CHOICES))

        def act() -> None:
            put(self.material, self.clone, after, before)

        done = self._command("flairhub", "repro", moment=Moment(event=event, act=act))
        changed = {name: getattr(after, name) for name in sorted(after.differ(before))}
        self.story.append(f"flairhub repro, edited at event {event} of {done.events} {changed}: {done.status}")
        self._require_sentence(done)
        self.noted = None
        if done.events >= event:
            self.inputs = after

    def _repro(self) -> None:
        done = self._command("flairhub", "repro", "--jobs", "1")
        self.story.append(f"flairhub repro: {done.status}")
        self._note("flairhub", done)
        self._compare(done)

    def _plain_repro(self) -> None:
        done = self._command("dvc", "repro")
        self.story.append(f"dvc repro: {done.status}")
        self._require_sentence(done)
        # DVC looks at what lies outside the repository only where it was noted
        if self.noted is not None and not self.noted.differ(self.inputs) & {"folder", "weights", "source"}:
            self._compare(done)

    def _damage(self) -> None:
        found = sorted(standing(self.clone).files)
        found = [name for name in found if not name.startswith("data/sources/")]
        if not found:
            return
        path = self.clone / self.chance.choice(found)
        self.story.append(f"damage {path.relative_to(self.clone)}")
        path.unlink()
        if self.chance.random() < 0.5:
            path.write_text("damaged")

    def _commit(self) -> None:
        done = self._command("flairhub", "repro", "--jobs", "1")
        self.story.append(f"flairhub repro, commit: {done.status}")
        self._note("flairhub", done)
        self._compare(done)
        if done.status == 0:
            self._git("add", "-A")
            self._git("commit", "-q", "--allow-empty", "-m", "results")
            self.commits[self._git("rev-parse", "HEAD").strip()] = self.inputs

    def _checkout(self) -> None:
        if not self.commits:
            return self._commit()
        commit = self.chance.choice(sorted(self.commits))
        then = self.commits[commit]
        self.story.append(f"git checkout {commit[:7]}, dvc checkout")
        self._git("checkout", "-q", "-f", commit)
        self.inputs = replace(self.inputs, **{name: getattr(then, name) for name in TRACKED})
        self.noted = then
        done = self._command("dvc", "checkout", "--force")
        self._require_sentence(done)
        if done.status == 0:
            self._require_equal(then)
        return None

    def _restore(self) -> None:
        then = self.commits.get(self._git("rev-parse", "HEAD").strip(), Inputs())
        self.story.append("git checkout of parameters and code")
        self._git("checkout", "-q", "-f", "HEAD", "--", "params.yaml", "src")
        self.inputs = replace(self.inputs, **{name: getattr(then, name) for name in TRACKED})

    # --- what must hold ---

    def _compare(self, done: Done) -> None:
        expected = self.oracle.of(self.inputs)
        if done.status == 0:
            self._require_equal(self.inputs)
        elif expected.standing is not None:
            raise FoundError(f"a fresh clone gives a result, but here: {done.status}\n{done.output[-3000:]}")
        self._require_sentence(done)

    def _require_equal(self, inputs: Inputs) -> None:
        expected = self.oracle.of(inputs)
        if expected.standing is None:
            raise FoundError(f"a fresh clone refuses, but here is a result; it says:\n{expected.refusal}")
        wrong = standing(self.clone).differ(expected.standing)
        if wrong:
            raise FoundError(f"{len(wrong)} differ from a fresh clone: {'; '.join(wrong[:12])}")

    def _require_sentence(self, done: Done) -> None:
        if done.status != 0 and not (done.status > 0 and refused(done.output)):
            raise FoundError(f"expected a refusal in a sentence, but got status {done.status}:\n{done.output[-4000:]}")

    def _require_clean(self) -> None:
        done = self._command("dvc", "status")
        if self.oracle.of(self.inputs).standing is not None and "up to date" not in done.output:
            raise FoundError(f"expected dvc status to be clean, but got:\n{done.output[-2000:]}")

    # --- helpers ---

    def _command(self, name: str, *words: str, moment: Moment | None = None) -> Done:
        run = {"dvc": dvc, "flairhub": flairhub}[name]
        done = run(self.clone, *words, moment=moment)
        if moment is None and words[0] == "repro":
            self.most_events = max(self.most_events, done.events)
        return done

    def _note(self, command: str, done: Done) -> None:
        if command == "flairhub":
            self.noted = self.inputs if done.status == 0 else None

    def _git(self, *words: str) -> str:
        command = ["git", *words]
        done = subprocess.run(command, cwd=self.clone, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout
