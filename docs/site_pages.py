"""A hook of MkDocs: pages of the site that are no files of docs/.

README and the other pages of the root, the examples, the notebooks, and a page
of the API for each subpackage.
"""

import json
import pathlib
import re

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).parent.parent
PAGES = {
    "README.md": "index.md",
    "BENCHMARKS.md": "BENCHMARKS.md",
    "BUILD.md": "BUILD.md",
    "CHANGELOG.md": "CHANGELOG.md",
}
PARTS = (
    "attacks",
    "data",
    "evaluation",
    "export",
    "inference",
    "metrics",
    "models",
    "ops",
    "registry",
    "reporting",
    "reproduce",
    "runs",
    "studies",
    "threat",
    "training",
)
API = "# keras_mixup.{name}\n\n::: keras_mixup.{name}\n"


def on_config(config):
    """Lists the pages of the API in the navigation."""
    pages = [{name: f"api/{name}.md"} for name in PARTS]
    config.nav = [
        {"API": pages} if entry == {"API": ["API"]} else entry
        for entry in config.nav
    ]
    return config


def on_files(files, config):
    """Adds the pages."""
    made = {page: _read(ROOT / name) for name, page in PAGES.items()}
    for name in PARTS:
        made[f"api/{name}.md"] = API.format(name=name)
    for path in sorted(ROOT.glob("examples/*.py")):
        code = path.read_text("utf-8")
        made[f"examples/{path.stem}.md"] = (
            f"# {path.name}\n\n```python\n{code}```\n"
        )
    for path in sorted(ROOT.glob("docs/notebooks/*.ipynb")):
        made[f"notebooks/{path.stem}.md"] = _notebook(path)
    for page, text in made.items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Turns links between files of the project into links of the site."""
    return _linked(markdown)


def _read(path):
    return re.sub(r"\]\(docs/", "](", path.read_text("utf-8"))


def _linked(text):
    text = re.sub(r"\]\(\.\./(\w+\.md)", r"](\1", text)
    text = re.sub(r"\]\(README\.md", "](index.md", text)
    text = re.sub(r"\]\(notebooks\)", "](notebooks/train_and_defend.md)", text)
    text = re.sub(
        r"\]\((?:\.\./)?examples/(\w+)\.py", r"](examples/\1.md", text
    )
    # Files that the site does not show stay as words.
    return re.sub(r"\[([^\]]+)\]\([^)]*\.(?:cff|ipynb)\)", r"\1", text)


def _notebook(path):
    """Returns a notebook as Markdown, with what its cells printed."""
    parts = []
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell["outputs"]:
            printed = "".join(output["text"])
            parts.append(f"```text\n{printed}```")
    return "\n\n".join(parts) + "\n"
