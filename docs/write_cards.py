"""Writes a page for each detector and each training method, and for LIP, from the card at the top of its file.

    python docs/write_cards.py

The text is the module's docstring, the settings are those of the function's signature with what its docstring says of
them; formula and caption come from `docs/card_texts.py`, the figure from `docs/draw_cards.py`. `tests/test_docs.py`
fails when a page is not what this script would write.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import card_texts
from write_reference import _wrap as wrap

from labelsieve.core.evidence import Evidence
from labelsieve.detectors import DETECTORS, detector
from labelsieve.head_repair.repair import repair
from labelsieve.methods import METHODS, for_features, method

HERE = Path(__file__).parent
FIELDS = ("Idea", "Recipe", "Paper", "Formula", "Needs", "Good at", "Bad at", "When it helps", "Numbers", "Differs")
FIELDS += ("Differs, where the paper says nothing", "Guard, not in the paper", "Cost")
ABOVE = ("Idea", "Recipe", "Needs", "Good at", "Bad at", "When it helps")  # the settings; the others stand below
# Settings that mean the same in every method.
COMMON = {
    "epochs": "passes over the data.",
    "lr": "learning rate.",
    "momentum": "of SGD.",
    "weight_decay": "of SGD.",
    "batch": "examples in a step.",
}
# What the figures are drawn from.
DIGITS = "The data are scikit-learn's digits, a fifth of whose labels were changed at random."
RUN = (
    "The data are 1,000 of scikit-learn's digits, four tenths of whose labels were changed at random; the network can "
    "learn all of them by heart. It is one small run and no measurement."
)
OWN_DATA = ("votes", "placement")  # detectors whose caption tells the data
OWN_OPTIONS = ("epochs", "lr", "batch", "noise")  # settings that are options of `train`
# Detectors that need evidence that the other examples do not have.
VOTES = """
import pandas as pd
import labelsieve as ls

votes = pd.DataFrame({
    "image": [f"i{i}" for i in range(40) for _ in range(3)],
    "worker": ["ana", "ben", "cleo"] * 40,
    "label": [("cat", "dog")[(i + (i % 9 == who)) % 2] for i in range(40) for who in range(3)],
})
findings = ls.find(votes, id="image", annotator="worker", label="label")
findings.scores["votes"]      # (n,) higher is more suspicious
"""
CALLS = {
    "votes": ("labelsieve find votes.csv --id image --annotator worker --label label", VOTES),
    "placement": ("labelsieve find instances.json --detectors placement", ""),
}


@dataclass(frozen=True)
class Card:
    """The parts of a module's docstring: title, the sentence after it, the fields by name."""

    title: str
    idea: str
    fields: dict[str, str]


def read_card(module: Any) -> Card:
    """The card of a module. A field begins a line with its name and a colon."""
    head, _, rest = inspect.cleandoc(module.__doc__).partition("\n\n")
    title, _, idea = " ".join(head.split()).partition(": ")
    names = "|".join(sorted(map(re.escape, FIELDS), key=len, reverse=True))
    parts = re.split(rf"(?:^|(?<=\. ))({names}):\s", rest, flags=re.MULTILINE)
    fields = {name: " ".join(text.split()) for name, text in zip(parts[1::2], parts[2::2], strict=True)}
    return Card(title, idea[0].upper() + idea[1:], fields)


def detector_page(name: str) -> str:
    """The page of one detector."""
    function = detector(name)
    card = read_card(inspect.getmodule(function))
    parameters = inspect.signature(function).parameters.values()
    about = arguments(function)
    settings = [_setting(p.name, f"{p.default}", about[p.name]) for p in parameters if p.kind is p.KEYWORD_ONLY]
    described = arguments(Evidence, "Attributes")
    reads = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY and p.name not in ("labels", "n_classes")]
    evidence = [wrap(f"`{one}`: {described[one]}", first="- ") for one in reads]
    return _page(
        f"Detector `{name}`; [all detectors](../detectors.md).",
        card,
        card_texts.DETECTORS[name],
        (f"detector-{name}", "" if name in OWN_DATA else DIGITS),
        [
            ("Evidence", "It reads the given labels and\n\n" + "\n".join(evidence)),
            ("Settings", "\n".join(settings) or "None."),
            ("Call", _detector_call(name, [p for p in parameters if p.kind is p.KEYWORD_ONLY])),
        ],
    )


def _detector_call(name: str, settings: list[inspect.Parameter]) -> str:
    if name in CALLS:
        line, code = CALLS[name]
        return f"    {line}" + _python(code) * bool(code)
    chosen = next((p for p in settings if p.default not in (None, False)), None)
    line = name if chosen is None else f"{name}:{chosen.name}={chosen.default}"
    named = "{}" if chosen is None else f"{{{_quoted(chosen.name)}: {_quoted(chosen.default)}}}"
    return f"    labelsieve find photos/ --detectors {line}" + _python(f"""
import labelsieve as ls

findings = ls.find("features.npz", detectors={{"{name}": {named}}})
findings.scores["{name}"]      # (n,) higher is more suspicious
""")


def method_page(module: Any, names: list[str]) -> str:
    """The page of one module of methods, which has one method or several."""
    card, own = read_card(module), module.__name__.rpartition(".")[2]
    about = COMMON | arguments(method(names[0]))
    parameters = [p for p in inspect.signature(method(names[0])).parameters.values() if p.kind is p.KEYWORD_ONLY]
    features = for_features(names[0])
    settings = []
    for p in parameters:
        values = f"{p.default}"
        if features.get(p.name, p.default) != p.default:
            values += f"; {features[p.name]} on features"
        settings.append(_setting(p.name, values, about[p.name]))
    shown = " and ".join(filter(None, [", ".join(f"`{name}`" for name in names[:-1]), f"`{names[-1]}`"]))
    return _page(
        f"Training method{'s' * (len(names) > 1)} {shown}; [all methods](../train.md#methods).",
        card,
        card_texts.METHODS[own],
        (f"method-{own}", RUN if own == "standard" else f"Dotted: [`standard`](standard.md). {RUN}"),
        [("Settings", "\n".join(settings)), ("Call", _method_call(names[0], parameters))],
    )


def _method_call(name: str, parameters: list[inspect.Parameter]) -> str:
    chosen = [p for p in parameters if p.default not in (None, False) and p.name not in OWN_OPTIONS][0]
    return f"    labelsieve train photos/ --method {name} --set {chosen.name}={chosen.default}" + _python(f"""
import labelsieve as ls

model = ls.train("features.npz", method="{name}", settings={{"{chosen.name}": {chosen.default}}})
model.p_wrong      # (n,) the method's belief that each label is wrong, or None
""")


def lip_page() -> str:
    """The page of LIP."""
    card = read_card(import_module("labelsieve.head_repair.lip"))
    about = arguments(repair)
    parameters = [p for p in inspect.signature(repair).parameters.values() if p.name in ("keep", "held_out", "scale")]
    settings = [_setting(p.name, f"{p.default}", about[p.name]) for p in parameters]
    call = "    labelsieve repair model/ --keep 0.5 -o repaired/" + _python("""
import labelsieve as ls

done = ls.repair("model", out="repaired", keep=0.5)
done.heads[0].new_values      # (r,) what replaces the singular values
""")
    head = "Not a method of training: `labelsieve repair` changes a trained head. [How, and when it helps](../lip.md)."
    return _page(
        head, card, card_texts.METHODS["lip"], ("method-lip", ""), [("Settings", "\n".join(settings)), ("Call", call)]
    )


def _page(
    head: str, card: Card, text: card_texts.Text, figure: tuple[str, str], sections: list[tuple[str, str]]
) -> str:
    """`figure` is the name of its file and the sentence on its data."""
    caption = wrap(" ".join([*text.figure.split(), *figure[1].split()]))
    fields = {name: _linked(value) for name, value in card.fields.items() if name != "Formula"}
    parts = [
        f"# {card.title}",
        head,
        wrap(_linked(card.idea)),
        *_fields(fields, ABOVE),
        f"![{card.title}: what it sees](../pictures/cards/{figure[0]}.png)",
        caption,
        f"## Formula\n\n{text.formula.strip()}",
        *(f"## {title}\n\n{body}" for title, body in sections),
        "## Source",
        *_fields(fields, [name for name in FIELDS if name not in ABOVE]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _fields(fields: dict[str, str], names: Iterable[str]) -> list[str]:
    return [wrap(f"**{name}.** {_sentence(fields[name])}") for name in names if name in fields]


def _sentence(text: str) -> str:
    """With a capital at its start, unless it starts with a symbol or a number."""
    first, _, rest = text.partition(" ")
    return f"{first.capitalize()} {rest}" if first.isalpha() and first.islower() and rest[:1] not in "=(" else text


def _setting(name: str, value: str, meaning: str) -> str:
    return wrap(f"`{name}` ({value}): {meaning}", first="- ")


def arguments(thing: Any, section: str = "Args") -> dict[str, str]:
    """What the docstring of a function (or class) says of each argument."""
    doc = inspect.getdoc(thing) or ""
    block = re.search(rf"^{section}:\n(.*?)(?=^\S|\Z)", doc, re.DOTALL | re.MULTILINE)
    entries: list[list[str]] = []
    for line in inspect.cleandoc(block[1]).split("\n") if block else []:
        if line.startswith(" ") and entries:
            entries[-1].append(line.strip())
        elif line:
            entries.append([line])
    found = {}
    for entry in entries:
        names, _, meaning = " ".join(entry).partition(": ")
        found |= {name.strip(): meaning for name in names.split(",")}
    return found


def _python(code: str) -> str:
    return f"\n\n```python\n{code.strip()}\n```"


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _linked(text: str) -> str:
    """File names of pages as links."""
    return re.sub(r"docs/([\w-]+)\.md", r"[\1](../\1.md)", text)


def pages() -> dict[str, str]:
    """Every page by its name under docs/."""
    made = {f"detectors/{name}.md": detector_page(name) for name in DETECTORS}
    modules: dict[str, list[str]] = {}
    for name, place in METHODS.items():
        modules.setdefault(place.split(":")[0], []).append(name)
    for place, names in modules.items():
        made[f"methods/{place.rpartition('.')[2].replace('_', '-')}.md"] = method_page(import_module(place), names)
    return made | {"methods/lip.md": lip_page()}


def main() -> None:
    for name, text in pages().items():
        (HERE / name).parent.mkdir(exist_ok=True)
        (HERE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
