"""A share is written in the same ways everywhere: 20%, 20 % or 0.2; 20 alone never means 20 %."""

import json

import numpy as np
import pytest

import labelsieve as ls
from labelsieve.cli import main
from labelsieve.core.shares import share


@pytest.mark.parametrize(
    ("written", "is_"), [("20%", 0.2), ("20 %", 0.2), (" 20% ", 0.2), ("0.2", 0.2), ("2e-1", 0.2), (0.2, 0.2)]
)
def test_all_spellings_of_a_share_mean_the_same(written, is_):
    assert share(written) == pytest.approx(is_)
    assert (share("0"), share("1"), share("100%"), share(np.float32(0.5)), share(1)) == (0, 1, 1, 0.5, 1)


@pytest.mark.parametrize(
    "written", ["20", "1.5", 20, "-3%", "-0.1", "101%", "nan", "inf", "few", "", "%", "0,2", None, True, [0.2], "2e9%"]
)
def test_invalid_shares_are_refused(written):
    with pytest.raises(ls.UserError, match="20%|a share lies between|if you mean percent"):
        share(written)


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
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
def test_every_option_reads_shares(data_folder, capsys, option):
    output = {}
    for i, written in enumerate(("90%", "90 %", "0.9")):
        (data_folder / "labels.toml").write_text(f'max_error_upper = "{written}"\nmin_reviewed = "{written}"')
        arguments = [part.format(i) for part in commands(data_folder)[option]]
        code = main([*arguments, *([] if option == "contract" else [written])])
        out = capsys.readouterr().out
        assert code in (0, 1), out
        if option == "contract":
            output[written] = [rule["limit"] for rule in json.loads(out)["rules"]]
        elif option in ("--max-error", "--confidence"):
            output[written] = json.loads(out)["plan"][option.removeprefix("--").replace("-", "_")]
        else:
            output[written] = out
    assert output["90%"] == output["90 %"] == output["0.9"]
    (data_folder / "labels.toml").write_text('max_error_upper = "90"')
    arguments = [part.format("z") for part in commands(data_folder)[option]]
    assert main([*arguments, *([] if option == "contract" else ["90"])]) == 2
    assert "90% if you mean percent" in capsys.readouterr().err


def test_a_contract_with_a_bare_percent_says_how_to_write_it(data_folder, capsys):
    (data_folder / "labels.toml").write_text("max_error_upper = 3%\n")
    assert main(commands(data_folder)["contract"]) == 2
    assert 'write a share in quotes, as "3%"' in capsys.readouterr().err


def test_python_functions_read_shares(data_folder):
    pytest.importorskip("torch")
    data = ls.load(str(data_folder / "d.npz"))
    output = [
        ls.train(data, method="o2u", epochs=1, noise=noise).manifest["settings"]["noise"] for noise in ("20%", 0.2)
    ]
    output.append(ls.train(data, method="o2u", epochs=1, settings={"noise": "20 %"}).manifest["settings"]["noise"])
    assert output == [0.2] * 3
    with pytest.raises(ls.UserError, match="20% if you mean percent"):
        ls.train(data, method="o2u", epochs=1, noise="20")
