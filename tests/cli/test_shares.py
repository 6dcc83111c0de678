"""A share is written the same way everywhere: 20%, 20 % or 0.2; 20 alone is never guessed to be 20 %."""

import json

import numpy as np
import pytest

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.core.shares import share


@pytest.mark.parametrize(
    ("written", "is_"), [("20%", 0.2), ("20 %", 0.2), (" 20% ", 0.2), ("0.2", 0.2), ("2e-1", 0.2), (0.2, 0.2)]
)
def test_one_meaning(written, is_):
    assert share(written) == pytest.approx(is_)
    assert (share("0"), share("1"), share("100%"), share(np.float32(0.5)), share(1)) == (0, 1, 1, 0.5, 1)


@pytest.mark.parametrize(
    "written", ["20", "1.5", 20, "-3%", "-0.1", "101%", "nan", "inf", "few", "", "%", "0,2", None, True, [0.2], "2e9%"]
)
def test_what_is_no_share_is_refused_with_a_sentence(written):
    with pytest.raises(ls.UserError, match="20%|a share lies between|if you mean percent"):
        share(written)


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shares")
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    np.savez(
        folder / "d.npz",
        features=rng.normal(size=(90, 5)) + 3 * np.eye(3, 5)[labels],
        labels=np.roll(labels, 1) * (labels > 5) + labels,
    )
    assert (
        main(["find", str(folder / "d.npz"), "-o", str(folder / "d.sieve"), "--detectors", "consensus", "--json"]) == 0
    )
    return folder


def commands(folder):
    run = str(folder / "d.sieve")
    contract = folder / "labels.toml"
    return {
        "--auto": ["apply", run, "--dry-run", "--json", "--auto"],
        "--max-error": ["accept", run, "--json", "--name", "x{}", "--max-error"],
        "--confidence": ["accept", run, "--json", "--name", "y{}", "--max-error", "3%", "--confidence"],
        "--rate": ["noise", str(folder / "d.npz"), "-o", str(folder / "noisy"), "--rate"],
        "contract": ["check", run, "--contract", str(contract), "--json"],
    }


@pytest.mark.parametrize("option", ["--auto", "--max-error", "--confidence", "--rate", "contract"])
def test_every_option_reads_it(there, capsys, option):
    told = {}
    for i, written in enumerate(("90%", "90 %", "0.9")):
        (there / "labels.toml").write_text(f'max_error_upper = "{written}"\nmin_reviewed = "{written}"')
        arguments = [part.format(i) for part in commands(there)[option]]
        code = main([*arguments, *([] if option == "contract" else [written])])
        out = capsys.readouterr().out
        assert code in (0, 1), out
        if option == "contract":
            told[written] = [rule["limit"] for rule in json.loads(out)["rules"]]
        elif option in ("--max-error", "--confidence"):
            told[written] = json.loads(out)["plan"][option.removeprefix("--").replace("-", "_")]
        else:
            told[written] = out
    assert told["90%"] == told["90 %"] == told["0.9"]
    (there / "labels.toml").write_text('max_error_upper = "90"')
    arguments = [part.format("z") for part in commands(there)[option]]
    assert main([*arguments, *([] if option == "contract" else ["90"])]) == 2
    assert "90% if you mean percent" in capsys.readouterr().err


def test_a_contract_with_a_bare_percent_says_how_to_write_it(there, capsys):
    (there / "labels.toml").write_text("max_error_upper = 3%\n")
    assert main(commands(there)["contract"]) == 2
    assert 'write a share in quotes, as "3%"' in capsys.readouterr().err


def test_python_reads_it_too(there):
    pytest.importorskip("torch")
    data = ls.load(str(there / "d.npz"))
    told = [ls.train(data, method="o2u", epochs=1, noise=noise).manifest["settings"]["noise"] for noise in ("20%", 0.2)]
    told.append(ls.train(data, method="o2u", epochs=1, settings={"noise": "20 %"}).manifest["settings"]["noise"])
    assert told == [0.2] * 3
    with pytest.raises(ls.UserError, match="20% if you mean percent"):
        ls.train(data, method="o2u", epochs=1, noise="20")
