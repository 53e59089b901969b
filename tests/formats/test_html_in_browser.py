"""HTML pages of real configs in a real browser: reading, sorting, filtering, folding, by mouse and by keyboard."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec
import pytest
from selenium.webdriver import ActionChains
from selenium.webdriver.common.keys import Keys

from lrdecay_cli.analysis.comparing.report import comparison
from lrdecay_cli.analysis.inspecting.report import inspection
from lrdecay_cli.checking.checking import check_maps
from lrdecay_cli.checking.embedded_findings import inspected_findings
from lrdecay_cli.checking.reporting import report_of
from lrdecay_cli.domain.group_map import GroupMap
from lrdecay_cli.files import read_map
from lrdecay_cli.files.writing import to_json, write_text
from lrdecay_cli.formats import Canvas, render
from lrdecay_cli.formats.values import cell_text, printable
from lrdecay_cli.openmmlab.audit import audit
from lrdecay_cli.rules import RULES
from lrdecay_cli.text.name_patterns import fold_names, matches
from tests.commands.running import SAMPLES
from tests.formats.browser import Browser
from tests.formats.html_reading import hostile_map, html
from tests.formats.test_html_page import GENERIC
from tests.group_maps import group_map

NAMES = "#parameter-table tbody th"
OVERFLOW = "convnext-s_wrong-num-layers"


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> dict[str, GroupMap]:
    """Maps of sample configs, as files contain them."""
    folder = tmp_path_factory.mktemp("maps")
    for name in SAMPLE_NAMES:
        (folder / f"{name}.json").write_text(to_json(audit(str(SAMPLES / f"{name}.py"))), encoding="utf-8")
    return {path.stem: read_map(str(path)) for path in folder.iterdir()}


SAMPLE_NAMES = (OVERFLOW, "convnext-t_layer-wise", "convnext-t_stage-wise", "swin-t_custom-keys")


@pytest.fixture(scope="module")
def pages(maps: dict[str, GroupMap], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    before, after = maps["convnext-t_layer-wise"], maps["convnext-t_stage-wise"]
    strange = group_map(
        {"a": {"lr_scale": 0.0, "lr": 0.0, "parameters": {"x.w": (2,), "x.b": ()}, "no_grad": ("x.w",)}},
        frozen={"stem.w": (3,)},
        missing={"neck.w": (4,)},
        duplicates={"head.w": "x.b"},
    )
    reports = {
        "map": inspection(maps[OVERFLOW], findings=inspected_findings(maps[OVERFLOW])),
        "single groups": inspection(maps["swin-t_custom-keys"]),
        "difference": comparison(before, after),
        "same": comparison(before, before),
        "check": report_of(check_maps([maps[OVERFLOW]], RULES), maps=[maps[OVERFLOW]]),
        "check of two": report_of(check_maps(maps.values(), RULES), maps=tuple(maps.values())),
        "states": inspection(strange, findings=inspected_findings(strange)),
        "empty": inspection(group_map({})),
        "hostile": inspection(hostile_map(), verbose=True),
        "generic": GENERIC,
    }
    folder = tmp_path_factory.mktemp("pages")
    for name, report in reports.items():
        (folder / f"{name}.html").write_text(html(report), encoding="ascii")
    return {name: folder / f"{name}.html" for name in reports}


PAGES = ("map", "single groups", "difference", "same", "check", "check of two", "states", "empty", "hostile", "generic")


@pytest.mark.parametrize("width", [375, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_it_is_quiet_fits_and_asks_for_nothing(browser: Browser, pages: dict[str, Path], name: str, width: int) -> None:
    browser.open(pages[name], width=width)
    for opener in browser.all("#unfold"):
        browser.run("arguments[0].click()", opener)
    assert browser.console() == []
    assert [url for url in browser.requests() if url != "about:blank"] == [pages[name].as_uri()]
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.run("return document.querySelector('#theme').hidden") is False


AXE = (
    *(("map", False), ("map", True), ("difference", False), ("check", True)),
    *(("check of two", False), ("states", True), ("generic", False)),
)


@pytest.mark.parametrize(("name", "dark"), AXE)
def test_axe_finds_nothing(browser: Browser, pages: dict[str, Path], name: str, dark: bool) -> None:
    """Names, roles, landmarks, headings, contrast: WCAG 2 A and AA and best practice, by axe-core."""
    browser.open(pages[name], dark=dark)
    # Rows are alike: axe is slow, so it checks only some.
    for table, few in (("#group-table", "layer_1"), ("#parameter-table", "layer_1_decay")):
        if len(browser.all(f"{table} tbody tr")) > 20:
            browser.fill(f"{table}-filter", few)
    # Themes differ only in colours.
    only = {"runOnly": ["color-contrast", "link-in-text-block"]} if dark and (name, False) in AXE else {}
    assert browser.violations(**only) == []
    if openers := browser.all("#parameter-table tbody button, #change-table tbody button"):
        browser.run("arguments[0].click()", openers[0])
        assert browser.violations("#dialog", **only) == []


def test_colors_have_contrast_in_both_themes(browser: Browser, pages: dict[str, Path]) -> None:
    """Contrast of text is at least 4.5 to 1, of marks 3 to 1, on every background: WCAG 2 AA."""
    for dark in (False, True):
        browser.open(pages["map"], dark=dark)
        colors = {name: luminance(browser, f"--{name}") for name in (*GROUNDS, *TEXTS, *MARKS)}
        assert (colors["ground"] < 0.5) is dark
        for ground in GROUNDS:
            for text in TEXTS:
                assert contrast(colors[text], colors[ground]) >= 4.5, (text, ground, dark)
            for mark in MARKS:
                assert contrast(colors[mark], colors[ground]) >= 3, (mark, ground, dark)


GROUNDS = ("ground", "panel", "tint")
TEXTS = ("ink", "soft", "accent", "over", "caution")
MARKS = (*(f"r{step}" for step in range(9)), "decay", "edge")


def luminance(browser: Browser, variable: str) -> float:
    script = (
        "const e = document.createElement('i'); document.body.append(e); e.style.color = `var(${arguments[0]})`;"
        "const c = getComputedStyle(e).color; e.remove(); return c.match(/[\\d.]+/g).slice(0, 3).map(Number)"
    )
    parts = [value / 255 for value in browser.run(script, variable)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def test_the_theme_follows_the_system_until_it_is_chosen(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["map"], dark=True)
    browser.run("localStorage.clear()")
    browser.open(pages["map"], dark=True)
    seen = []
    for _ in range(4):
        seen.append((browser.one("#theme").text, luminance(browser, "--ground") < 0.5))
        browser.click("#theme")
    assert seen == [("Theme: system", True), ("Theme: light", False), ("Theme: dark", True), ("Theme: system", True)]


def parameters_of(mapped: GroupMap) -> dict[str, str]:
    """Group by name."""
    return {parameter.name: group.name for group, parameter in mapped.grouped()}


def test_the_list_is_narrowed_as_fnmatch_has_it(
    browser: Browser, pages: dict[str, Path], maps: dict[str, GroupMap]
) -> None:
    browser.open(pages["map"])
    groups = parameters_of(maps[OVERFLOW])
    for put, text in (
        *((browser.type, text) for text in ("norm", "*.bias", "*[02].gamma")),
        *((browser.fill, text) for text in ("NORM1", "layer_1_", "backbone.stages.[02].*", "*_no_decay")),
        (browser.fill, "backbone.?tages.2.1?.*"),
    ):
        put("#parameter-table-filter", text)
        glob = "*" in text
        expected = {
            name
            for name, group in groups.items()
            if any(fnmatchcase(part, text) if glob else text.lower() in part for part in (name, group))
        }
        assert 0 < len(expected) < len(groups), text
        assert set(browser.texts(NAMES)) == expected, text
        assert browser.one("#parameter-table-count").text == f"{len(expected)} of {len(groups)} names"


def test_the_filter_supports_patterns_of_reports(
    browser: Browser, pages: dict[str, Path], maps: dict[str, GroupMap]
) -> None:
    """The page matches each folded pattern to the same names as lrdecay's own matcher."""
    browser.open(pages["map"])
    names = list(parameters_of(maps[OVERFLOW]))
    selections = [names[3:70], names[10::7], [name for name in names if name.endswith("bias")], names[::50]]
    patterns = [pattern for chosen in selections for pattern, _ in fold_names(chosen, names)]
    assert any("{" in pattern and "-" in pattern for pattern in patterns)
    for pattern in patterns[:12]:
        browser.fill("#parameter-table-filter", pattern)
        assert sorted(browser.texts(NAMES)) == sorted(name for name in names if matches(pattern, name)), pattern


def test_an_invalid_pattern_is_reported(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["map"])
    browser.type("#parameter-table-filter", "[z-a]*")
    assert browser.one("#parameter-table-count").text == "not a pattern"
    assert browser.one("#parameter-table-filter").get_attribute("aria-invalid") == "true"
    assert browser.console() == []


def test_a_note_a_group_and_a_kind_narrow_the_list(
    browser: Browser, pages: dict[str, Path], maps: dict[str, GroupMap]
) -> None:
    fast = {parameter.name for group, parameter in maps[OVERFLOW].grouped() if (group.lr_scale or 0) > 1}
    browser.open(pages["map"])
    browser.click("#notes button")
    assert set(browser.texts(NAMES)) == fast
    assert browser.focused().get_attribute("id") == "parameter-table-filter"
    browser.click("#group-table tbody tr:nth-child(3) button")
    chosen = browser.texts("#group-table tbody th")[2]
    assert {name for name, group in parameters_of(maps[OVERFLOW]).items() if group == chosen} == set(
        browser.texts(NAMES)
    )
    browser.run(
        "arguments[0].value = ''; arguments[0].dispatchEvent(new Event('change'))", browser.one("#parameter-group")
    )
    browser.run(
        "arguments[0].value = 'over'; arguments[0].dispatchEvent(new Event('change'))", browser.one("#parameter-kind")
    )
    assert set(browser.texts(NAMES)) == fast
    # Parameters that are not in the list fade in the picture.
    bars = browser.run("return document.querySelectorAll('#picture .veil').length")
    assert bars == 2


def test_groups_are_sorted_by_click_and_by_keyboard(
    browser: Browser, pages: dict[str, Path], maps: dict[str, GroupMap]
) -> None:
    browser.open(pages["map"])
    groups = maps[OVERFLOW].groups
    by_layer = [group.name for group in sorted(groups, key=lambda group: group.layer_id or 0)]
    assert browser.texts("#group-table tbody th") == by_layer
    head = "#group-table thead th:nth-child(7)"
    sizes = sorted(sum(parameter.numel for parameter in group.parameters) for group in groups)
    orders = []
    browser.click(f"{head} button")
    for _ in range(3):
        orders.append(
            (browser.one(head).get_attribute("aria-sort"), browser.texts("#group-table tbody td:nth-child(7)"))
        )
        browser.focus(f"{head} button")
        browser.press(Keys.ENTER)
    assert [how for how, _ in orders] == ["ascending", "descending", "none"]
    assert orders[0][1] == [f"{size:,}" for size in sizes]
    assert orders[1][1] == [f"{size:,}" for size in reversed(sizes)]
    assert browser.one(head).get_attribute("aria-sort") == "ascending"
    browser.type("#group-table-filter", "no_decay")
    assert len(browser.texts("#group-table tbody tr")) == sum("no_decay" in group.name for group in groups)


def test_numbers_sort_by_value_and_missing_ones_last(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["states"])
    for _ in range(2):
        browser.click("#parameter-table thead th:nth-child(5) button")
        assert browser.texts(NAMES)[:2] == ["x.w", "x.b"]
    assert browser.texts("#parameter-table tbody td:nth-child(2)") == [
        "frozen",
        "grouped",
        "frozen",
        "missing",
        "duplicate of x.b",
    ]


def test_the_tree_folds_and_adds_up(browser: Browser, pages: dict[str, Path], maps: dict[str, GroupMap]) -> None:
    browser.open(pages["map"])
    totals = maps[OVERFLOW].model.totals
    root = browser.texts("#tree summary .number")[:5]
    assert root[-2:] == [f"{totals.tensors:,}", f"{totals.parameters:,}"]
    assert root[1] == "8.235e-06 \u2013 0.0004165"
    neck = "#tree > details > div > details:nth-of-type(2)"
    assert browser.texts(f"{neck} > summary .label") == ["neck"]
    browser.focus(f"{neck} > summary")
    was = browser.one(neck).get_attribute("open")
    browser.press(Keys.ENTER)
    assert browser.one(neck).get_attribute("open") != was
    browser.click("#fold")
    assert len(browser.all("#tree details[open]")) == 1
    browser.click("#unfold")
    # Parameters of a block of the slowest stage differ only in weight decay, so each is listed.
    leaves = browser.texts("#tree .leaf .label")
    assert "gamma" in leaves
    assert len(leaves) <= totals.tensors
    opener = browser.all("#tree .leaf button")[0]
    browser.run("arguments[0].focus(); arguments[0].click()", opener)
    assert browser.one("#dialog").is_displayed()
    browser.press(Keys.ESCAPE)
    assert browser.focused() == opener


def test_the_tree_shows_states(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["states"])
    scales = browser.texts("#tree .number:nth-child(2)")[1:]
    assert scales == ["0, partly frozen and missing", "0, partly frozen", "0, frozen", "0", "frozen", "missing"]


def test_provenance_is_shown_and_the_focus_returns(
    browser: Browser, pages: dict[str, Path], maps: dict[str, GroupMap]
) -> None:
    browser.open(pages["map"])
    browser.fill("#parameter-table-filter", "stages.2.20.norm.weight")
    (opener,) = browser.all(f"{NAMES} button")
    opener.send_keys(Keys.ENTER)
    assert browser.one("#dialog").is_displayed()
    assert browser.one("#dialog-title").text == "backbone.stages.2.20.norm.weight"
    ((group, parameter),) = [
        (g, h) for g, h in maps[OVERFLOW].grouped() if h.name == "backbone.stages.2.20.norm.weight"
    ]
    assert parameter.provenance is not None
    codes = browser.texts("#dialog-body td code")
    for step in (
        parameter.provenance.layer_id,
        parameter.provenance.lr_scale,
        parameter.provenance.lr,
        parameter.provenance.weight_decay,
    ):
        assert {step.rule, f"= {step.result}"} <= set(codes)
        assert step.formula in codes or step.formula == str(step.result)
    assert "bit for bit" in browser.one("#dialog .verdict").text
    assert str(group.lr) in browser.one("#dialog dl").text
    # The focus stays inside, Esc closes, and the focus returns to its place.
    for _ in range(6):
        browser.press(Keys.TAB)
        assert browser.run(
            "const now = document.activeElement;"
            "return now === document.body || document.querySelector('#dialog').contains(now)"
        )
    browser.driver.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert not browser.one("#dialog").is_displayed()
    assert browser.focused() == opener
    opener.click()
    browser.click("#dialog-close")
    assert not browser.one("#dialog").is_displayed()


def test_rules_that_disagree_are_reported(browser: Browser, maps: dict[str, GroupMap], tmp_path: Path) -> None:
    whole = maps["convnext-t_layer-wise"]
    first = msgspec.structs.replace(whole.groups[0], lr=0.5)
    wrong = msgspec.structs.replace(whole, groups=(first, *whole.groups[1:]))
    (tmp_path / "wrong.html").write_text(html(inspection(wrong)))
    browser.open(tmp_path / "wrong.html")
    browser.all(f"{NAMES} button")[0].click()
    assert "disagree with the real group in lr;" in browser.one("#dialog .verdict.differs").text


def test_the_picture_has_a_bar_for_each_tensor(
    browser: Browser, pages: dict[str, Path], maps: dict[str, GroupMap]
) -> None:
    browser.open(pages["map"])
    bars: dict[str, int] = browser.run(
        "return Object.fromEntries([...document.querySelectorAll('#picture [data-bars]')]"
        ".map((e) => [e.dataset.bars, e.getAttribute('d').split('M').length - 1]))"
    )
    groups = [group for group, _ in maps[OVERFLOW].grouped()]
    fast = sum((group.lr_scale or 0) > 1 for group in groups)
    assert (bars["over"], bars["stripes"]) == (fast, fast)
    assert sum(number for name, number in bars.items() if name == "over" or name[0] == "r") == len(groups)
    assert bars["decay"] == sum(bool(group.weight_decay) for group in groups)
    assert bars["no-decay"] == sum(group.weight_decay == 0 for group in groups)
    # Not by colour alone: a line and a word mark lr scales above 1.
    assert browser.texts("#picture text.warn") == ["\u25b2 above 1"]
    assert browser.run("return document.querySelector('#picture [data-over]').dataset.over") == str(fast)
    assert f"above 1, faster than the base lr: {fast} tensors" in browser.texts("#picture-legend li")


def test_the_picture_is_walked_by_keyboard_and_mouse(
    browser: Browser, pages: dict[str, Path], maps: dict[str, GroupMap]
) -> None:
    browser.open(pages["map"])
    frame = browser.one("#picture-frame")
    order = [f"{p}.{own}" if p else own for p, module in maps[OVERFLOW].modules.items() for own in module.parameters]
    assert frame.get_attribute("aria-valuemax") == str(len(order))
    frame.send_keys(Keys.END)
    seen = [frame.get_attribute("aria-valuetext").split(":")[0]]
    for key in (Keys.ARROW_LEFT, Keys.HOME, Keys.ARROW_RIGHT, Keys.PAGE_UP):
        frame.send_keys(key)
        seen.append(frame.get_attribute("aria-valuetext").split(":")[0])
    assert seen[:4] == [order[-1], order[-2], order[0], order[1]]
    # To the next module.
    assert seen[4] == next(name for name in order[2:] if name.rpartition(".")[0] != order[1].rpartition(".")[0])
    ActionChains(browser.driver).move_to_element(frame).perform()
    name = browser.texts("#picture-readout code")[0]
    assert abs(order.index(name) - len(order) / 2) < len(order) / 10
    (group,) = [group for group, parameter in maps[OVERFLOW].grouped() if parameter.name == name]
    assert f"lr scale {cell_text(group.lr_scale, 'scale')}" in browser.one("#picture-readout").text
    frame.send_keys(Keys.ENTER)
    assert browser.one("#dialog-title").text == name
    browser.press(Keys.ESCAPE)
    assert browser.focused() == frame


def test_every_state_is_marked_in_the_picture(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["states"])
    marks = browser.run(
        "return [...document.querySelectorAll('#picture [data-state]')]"
        ".map((mark) => [mark.dataset.state, mark.getAttribute('fill')])"
    )
    assert marks == [["frozen", "url(#hatch)"], ["frozen", "url(#hatch)"], ["missing", "url(#cross)"]]
    legend = browser.texts("#picture-legend li")
    assert {"lr 0", "frozen: 2 tensors", "missing, in no group: 1 tensor"} <= set(legend)
    browser.focus("#picture-frame")
    browser.press(Keys.END)
    value = browser.one("#picture-frame").get_attribute("aria-valuetext")
    assert value == "neck.w: missing: trainable, in no group"


def test_findings_lead_to_their_parameters_and_back(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["check"])
    article, *_ = browser.all("#findings .finding")  # most severe first
    assert article.text.startswith("error LRD301 scale-above-one")
    article.find_element("css selector", ".show").click()
    shown = browser.texts(NAMES)
    assert len(shown) == 108
    assert all(name.startswith("backbone.stages.2.") for name in shown)
    browser.all(f"{NAMES} button")[5].click()
    browser.click("#dialog dd span button")
    assert not browser.one("#dialog").is_displayed()
    assert browser.focused() == article
    browser.click("#parameter-everything")
    assert browser.one("#parameter-table-count").text == "390 names"


def test_findings_of_many_configs_are_narrowed(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["check of two"])
    assert len(browser.texts("#config-table tbody tr")) == len(SAMPLE_NAMES)
    findings = browser.all("#findings .finding")
    assert findings
    if len(findings) > 1:
        browser.type("#finding-filter", "LRD301")
        texts = [finding.text for finding in findings if finding.is_displayed()]
        assert texts
        assert all("LRD301" in text for text in texts)


def test_changes_open_to_their_names_and_full_numbers(
    browser: Browser, pages: dict[str, Path], maps: dict[str, GroupMap]
) -> None:
    difference = comparison(maps["convnext-t_layer-wise"], maps["convnext-t_stage-wise"])
    browser.open(pages["difference"])
    rows = difference.report.tables[0].rows
    assert browser.texts("#change-table tbody th") == [row[0] for row in rows]
    assert len(browser.all("#change-table .dumbbell")) == len(rows)
    browser.type("#change-table-filter", "stages.3")
    (opener,) = browser.all("#change-table tbody th button")
    opener.click()
    names = browser.texts("#dialog-body li")
    assert sorted(names) == sorted(
        n for n in parameters_of(maps["convnext-t_stage-wise"]) if n.startswith("backbone.stages.3.")
    )
    listed = [tuple(row.split("\n")) for row in browser.texts("#dialog-body tbody th")]
    assert [what for (what,) in listed] == ["layer id", "lr scale", "lr"]
    cells = browser.texts("#dialog-body tbody td")
    folded = [c for c in difference.document.changes if c.aspect == "lr" and names[0] in c.parameters]
    assert cells[6:8] == [repr(folded[0].before), repr(folded[0].after)]
    assert cells[8] == "\u25bc \u00d7 0.7674"
    browser.all("#dialog-body button")[0].click()
    assert sorted(browser.texts(NAMES)) == sorted(names)
    settings = dict(
        zip(
            browser.texts("#setting-table tbody th"), browser.texts("#setting-table tbody td:nth-child(3)"), strict=True
        )
    )
    assert settings["constructor.options.decay_type"] == "stage_wise"


def test_hostile_names_are_shown_and_do_nothing(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["hostile"])
    browser.run("window.pwned = () => { window.broken = true; }")
    names = [parameter.name for _, parameter in hostile_map().grouped()]
    assert {printable(name) for name in names} <= set(browser.texts(NAMES))
    browser.click("#unfold")
    for opener in browser.all("#parameter-table tbody th button")[:8]:
        browser.run("arguments[0].click()", opener)
        browser.run("document.querySelector('#dialog').close()")
    browser.fill("#parameter-table-filter", "<img")
    assert len(browser.texts(NAMES)) > 2
    assert browser.run("return [window.broken ?? null, document.images.length]") == [None, 0]
    assert browser.console() == []


def test_paper_gets_every_row_in_light_colors(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "big.html").write_text(html(inspection(large_map(400))))
    browser.open(tmp_path / "big.html", dark=True)
    assert len(browser.texts(NAMES)) == 300
    printed = browser.command("Page.printToPDF", {"printBackground": True})
    assert len(printed["data"]) > 50_000
    assert len(browser.texts(NAMES)) == 400
    browser.emulate(dark=True, media="print")
    assert luminance(browser, "--panel") > 0.9
    assert not browser.one("nav").is_displayed()
    assert browser.run("return getComputedStyle(document.querySelector('.scroll.tall')).maxHeight") == "none"
    browser.emulate()


def large_map(size: int) -> GroupMap:
    groups: dict[str, Any] = {}
    for number in range(size):
        layer, kind = number * 12 // size, "decay" if number % 2 else "no_decay"
        group = groups.setdefault(
            f"layer_{layer}_{kind}", {"layer_id": layer, "lr_scale": 0.8 ** (11 - layer), "parameters": {}}
        )
        group["parameters"][f"backbone.stages.{layer}.blocks.{number // 2}.{'weight' if number % 2 else 'bias'}"] = (
            3,
            4,
        )
    return group_map(groups)


def test_ten_thousand_parameters_take_no_more_of_the_page_than_a_few(browser: Browser, tmp_path: Path) -> None:
    """Rows are added while scrolling, so their number does not affect the time; the filter finds all of them."""
    nodes = {}
    for size in (1_000, 10_000):
        (tmp_path / f"{size}.html").write_text(html(inspection(large_map(size))))
        browser.open(tmp_path / f"{size}.html")
        nodes[size] = browser.run("return document.getElementsByTagName('*').length")
        if size == 10_000:
            browser.fill("#parameter-table-filter", "blocks.4999.")
            assert {name[-6:] for name in browser.texts(NAMES)} == {"weight", "9.bias"}
            browser.fill("#parameter-table-filter", ".bias")
            assert len(browser.texts(NAMES)) == 300
            browser.run("const s = document.querySelector('#parameters .scroll'); s.scrollTop = s.scrollHeight")
            browser.until(lambda: len(browser.texts(NAMES)) > 300)
            browser.run("document.querySelector('#parameter-table tfoot button').click()")
            assert len(browser.texts(NAMES)) == 5_000
    assert nodes[10_000] < nodes[1_000] * 1.1


def test_a_page_without_scripts_names_missing_features(browser: Browser, pages: dict[str, Path]) -> None:
    browser.command("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.open(pages["map"])
        assert "need JavaScript" in browser.one("noscript").text
        assert len(browser.all("#group-table tbody tr")) == 24
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", {"value": False})


def test_data_on_the_page_are_those_of_the_map(
    browser: Browser, pages: dict[str, Path], maps: dict[str, GroupMap]
) -> None:
    browser.open(pages["single groups"])
    data = json.loads(browser.texts("#data")[0])["parameters"]
    assert data["names"] == [*parameters_of(maps["swin-t_custom-keys"])]


def test_a_watched_page_loads_itself_again(browser: Browser, maps: dict[str, GroupMap], tmp_path: Path) -> None:
    """A new file appears with the same scroll position, folds and filter; an unchanged file is not reloaded."""
    page = tmp_path / "page.html"
    watched = Canvas(path=str(page), reloads=True)
    first, second = maps["convnext-t_layer-wise"], maps["convnext-t_stage-wise"]
    write_text(page, render("html", inspection(first), watched))
    browser.open(page)
    browser.run("document.querySelector('#tree details:not([open]) > summary').click()")
    unfolded = browser.run("return document.querySelectorAll('#tree details[open]').length")
    browser.type("#parameter-table-filter", "norm")
    browser.run("scrollTo(0, 700); window.same = true")
    browser.requests()

    write_text(page, render("html", inspection(first), watched))
    browser.until(lambda: len(browser.requests()) >= 1)
    assert browser.run("return window.same") is True

    write_text(page, render("html", inspection(second), watched))
    browser.until(lambda: browser.run("return window.same") is None and "stage-wise" in browser.driver.title)
    browser.until(lambda: browser.run("return scrollY") == 700)
    assert browser.run("return document.querySelectorAll('#tree details[open]').length") == unfolded
    assert (
        browser.run("return byId('parameter-table-filter').value".replace("byId", "document.getElementById")) == "norm"
    )
    assert all("norm" in name for name in browser.texts(NAMES))
    # Only the file itself was requested, and nothing was refused.
    assert {*browser.requests()} <= {page.as_uri()}
    assert browser.console() == []
