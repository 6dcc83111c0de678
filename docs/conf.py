"""The site: `make docs` builds it into build/site from the pages of this folder, without the network."""

from docutils.nodes import SkipNode
from docutils.utils.math.latex2mathml import tex2mathml

project = "Labelsieve"
author = "the Labelsieve developers"
project_copyright = "2026, the Labelsieve developers"

extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["pictures/*.md"]
smartquotes = False  # "--probs" must stay two hyphens

html_theme = "furo"
html_title = "Labelsieve"
pygments_dark_style = "monokai"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_favicon = "../web/public/assets/icon.svg"
html_theme_options = {"source_repository": "https://github.com/labelsieve/labelsieve/", "source_directory": "docs/"}
html_math_renderer = "mathml"


def setup(app):
    """Formulae become MathML, which browsers show by themselves: Sphinx's own MathJax would come from a server."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))


def _inline(writer, node):
    writer.body.append(_mathml(node.astext(), as_block=False))
    raise SkipNode


def _block(writer, node):
    parts = node.astext().split(r"\qquad")  # formulae side by side, which a phone shows one below the other
    shown = "\n".join(_mathml(part.strip(), as_block=True) for part in parts if part.strip())
    writer.body.append(f'<div class="math">{shown}</div>\n')
    raise SkipNode


def _mathml(tex, *, as_block):
    """TeX puts space around the name of a function, MathML does not."""
    return tex2mathml(tex.replace(r"\ln", r"\,\ln\,"), as_block=as_block)
