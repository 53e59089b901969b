"""Execute the notebook of the docs with a real Jupyter kernel."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.commands.running import SAMPLES
from tests.golden import Golden

NOTEBOOK = SAMPLES.parent / "docs" / "notebook.ipynb"


def outputs_of(notebook: Any) -> list[list[dict[str, Any]]]:
    """Return the output of each cell: text, HTML and pictures by type."""
    shown = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    return [[{**each.get("data", {"error": str(each)})} for each in outputs] for outputs in shown]


@pytest.mark.slow
def test_every_cell_has_the_output_in_the_docs(golden: Golden) -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    logging.getLogger("traitlets").setLevel(logging.ERROR)
    notebook = nbformat.read(NOTEBOOK, 4)
    stored = outputs_of(notebook)
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(NOTEBOOK.parent)}}, record_timing=False
    )
    client.execute()
    if golden.update:
        nbformat.write(notebook, NOTEBOOK)
        stored = outputs_of(notebook)
    found = outputs_of(notebook)
    # Message texts may change; types of output and numbers may not.
    assert [[sorted(each) for each in outputs] for outputs in found] == [
        [sorted(each) for each in outputs] for outputs in stored
    ]
    assert "24 groups with 390 of 390 tensors" in found[0][0]["text/html"]
    assert found[2:5] == stored[2:5]
    assert "image/png" in found[5][0]
