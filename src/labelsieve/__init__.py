"""Labelsieve finds the wrong labels in a classification data set.

    import labelsieve as ls

    data = ls.load("photos/")
    findings = ls.find(data)
    findings.table().to_pandas()

Names are loaded when first used, so that `import labelsieve` stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labelsieve.acceptance.accept import accept
    from labelsieve.acceptance.check import check
    from labelsieve.acceptance.diff_runs import diff
    from labelsieve.acceptance.evaluate_run import evaluate
    from labelsieve.adapters.cleaned_classifier import CleanedClassifier
    from labelsieve.adapters.label_error_detector import LabelErrorDetector
    from labelsieve.adapters.robust_classifier import RobustClassifier
    from labelsieve.core.dataset import Dataset, Exclusion
    from labelsieve.core.errors import UserError
    from labelsieve.core.evidence import Evidence
    from labelsieve.core.findings import Estimate, Findings
    from labelsieve.core.record import Record
    from labelsieve.corrections.apply_changes import apply
    from labelsieve.data import load, load_probabilities
    from labelsieve.data.truth import read_truth
    from labelsieve.detectors.confident_learning import flags
    from labelsieve.engine.recorder import Recorder
    from labelsieve.exchange.export_run import export
    from labelsieve.exchange.import_answers import import_decisions
    from labelsieve.head_repair.repair import repair
    from labelsieve.page.serve import review
    from labelsieve.pipeline import Detected, detect, find, gather
    from labelsieve.reports.two_heads import spectrum
    from labelsieve.reports.write_report import report
    from labelsieve.store.add_decisions import add_decisions
    from labelsieve.store.encode_shards import encode_shards
    from labelsieve.store.noise_folder import noise
    from labelsieve.store.open_run import Run, open_run
    from labelsieve.training.classifier import Model
    from labelsieve.training.compare import compare
    from labelsieve.training.train import train

__all__ = [
    "CleanedClassifier",
    "Dataset",
    "Detected",
    "Estimate",
    "Evidence",
    "Exclusion",
    "Findings",
    "LabelErrorDetector",
    "Model",
    "Record",
    "Recorder",
    "RobustClassifier",
    "Run",
    "UserError",
    "__version__",  # pyright: ignore[reportUnsupportedDunderAll]
    "accept",
    "add_decisions",
    "apply",
    "check",
    "compare",
    "detect",
    "diff",
    "encode_shards",
    "evaluate",
    "export",
    "find",
    "flags",
    "gather",
    "import_decisions",
    "load",
    "load_probabilities",
    "noise",
    "open_run",
    "read_truth",
    "repair",
    "report",
    "review",
    "spectrum",
    "train",
]

_HOMES = {
    "CleanedClassifier": "adapters.cleaned_classifier:CleanedClassifier",
    "Dataset": "core.dataset:Dataset",
    "Detected": "pipeline:Detected",
    "Estimate": "core.findings:Estimate",
    "Evidence": "core.evidence:Evidence",
    "Exclusion": "core.dataset:Exclusion",
    "Findings": "core.findings:Findings",
    "LabelErrorDetector": "adapters.label_error_detector:LabelErrorDetector",
    "Model": "training.classifier:Model",
    "Record": "core.record:Record",
    "Recorder": "engine.recorder:Recorder",
    "RobustClassifier": "adapters.robust_classifier:RobustClassifier",
    "Run": "store.open_run:Run",
    "UserError": "core.errors:UserError",
    "add_decisions": "store.add_decisions:add_decisions",
    "accept": "acceptance.accept:accept",
    "apply": "corrections.apply_changes:apply",
    "check": "acceptance.check:check",
    "compare": "training.compare:compare",
    "detect": "pipeline:detect",
    "diff": "acceptance.diff_runs:diff",
    "encode_shards": "store.encode_shards:encode_shards",
    "evaluate": "acceptance.evaluate_run:evaluate",
    "export": "exchange.export_run:export",
    "find": "pipeline:find",
    "flags": "detectors.confident_learning:flags",
    "gather": "pipeline:gather",
    "import_decisions": "exchange.import_answers:import_decisions",
    "load": "data:load",
    "load_probabilities": "data:load_probabilities",
    "noise": "store.noise_folder:noise",
    "open_run": "store.open_run:open_run",
    "read_truth": "data.truth:read_truth",
    "repair": "head_repair.repair:repair",
    "report": "reports.write_report:report",
    "review": "page.serve:review",
    "spectrum": "reports.two_heads:spectrum",
    "train": "training.train:train",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            return version("labelsieve")
        except PackageNotFoundError:  # run from a source tree that was not installed
            return "0+source"
    if name == "losses":  # `labelsieve.losses.blurry(...)` without an import of its own; it needs torch
        return import_module("labelsieve.losses")
    if name not in _HOMES:
        raise AttributeError(f"module 'labelsieve' has no attribute {name!r}")
    module, attribute = _HOMES[name].split(":")
    return getattr(import_module(f"labelsieve.{module}"), attribute)


def __dir__() -> list[str]:
    return __all__
