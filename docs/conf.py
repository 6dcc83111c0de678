"""The site: `make docs` builds it into build/site from the pages of this folder, without the network."""

project = "Labelsieve"
author = "the Labelsieve developers"
project_copyright = "2026, the Labelsieve developers"

extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["pictures/*.md"]

html_theme = "furo"
html_title = "Labelsieve"
html_static_path: list[str] = []
html_theme_options = {"source_repository": "https://github.com/labelsieve/labelsieve/", "source_directory": "docs/"}
