"""The book in a real browser: nothing asked of the network, nothing cut off, nothing that only some can read.

Skipped where Sphinx, Playwright or Chromium is not there: the book is not needed to learn (book/requirements.txt).
"""

import functools
import html
import http.server
import importlib
import re
import shutil
import subprocess
import sys
import threading
from urllib.parse import unquote, urldefrag, urljoin

import nbformat
import pytest

from tests.execute import LESSONS, ROOT

pytest.importorskip("sphinx")
pytest.importorskip("myst_nb")
sync_api = pytest.importorskip("playwright.sync_api")
axe_core = pytest.importorskip("axe_playwright_python.sync_playwright")
CHROMIUM = next(
    filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None
)
if not CHROMIUM:
    pytest.skip("Chromium is not on this machine", allow_module_level=True)

NOTEBOOKS = [path.relative_to(ROOT).with_suffix("").as_posix() for path in LESSONS]
TEXTS = ["data/README", *sorted(f"book/{path.stem}" for path in (ROOT / "book").glob("*.md"))]
PAGES = [f"{page}.html" for page in [*NOTEBOOKS, *TEXTS]]
ALL_PAGES = [*PAGES, "search.html?q=bridge"]
WIDTHS = [390, 768, 1400]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The book, built as the README says, with warnings as errors."""
    folder = tmp_path_factory.mktemp("book")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (options,) = re.findall(r"python -m sphinx (-M html \. )book/_build( .+)", readme)
    command = [*options[0].split(), str(folder), *options[1].split()]
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", *command],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=90,
    )
    assert built.returncode == 0, built.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def address(site):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=site)
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def chromium():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium):
    context = chromium.new_context(viewport={"width": 1400, "height": 900})
    yield context.new_page()
    context.close()


def visit(tab, url):
    """Open a page and wait until its mathematics is set."""
    tab.goto(url)
    tab.evaluate("window.MathJax ? MathJax.startup.promise.then(() => 0) : 0")
    return tab


def unfold(tab):
    tab.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true })")


# --- every page ---


@pytest.mark.parametrize("page", ALL_PAGES)
def test_a_page_loads_by_itself_and_is_light(tab, site, address, page):
    complaints, requests = [], []
    tab.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: requests.append(request.url))
    tab.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    visit(tab, address + page)
    tab.wait_for_load_state("networkidle")
    assert complaints == []
    own = {url for url in requests if url.startswith(address)}
    assert {url for url in requests if not url.startswith("data:")} == own
    files = {unquote(re.split("[?#]", url.removeprefix(address))[0]) for url in own}
    assert sum((site / name).stat().st_size for name in files) < 2_500_000


@pytest.mark.parametrize("page", ALL_PAGES)
def test_every_formula_is_set_and_no_number_is_cut_off(tab, address, page):
    visit(tab, address + page)
    unfold(tab)
    formulas = tab.locator("article .math")
    assert formulas.count() == tab.locator("article .math > mjx-container").count()
    assert tab.locator("mjx-merror, [data-mjx-error]").count() == 0
    prose = tab.evaluate(
        """() => {
            const copy = document.querySelector("article").cloneNode(true);
            copy.querySelectorAll("pre, code, mjx-container").forEach((part) => part.remove());
            return copy.textContent;
        }"""
    )
    assert not re.search(r"\\[a-zA-Z(\[]|\$", prose)
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 900})
        cut_off = tab.evaluate(
            """() => [...document.querySelectorAll("div.math")].filter((box) => {
                const number = box.querySelector("mjx-labels") ?? box.querySelector("mjx-math");
                const reach = box.getBoundingClientRect().left + box.scrollWidth + 1;
                const scrolls = getComputedStyle(box).overflowX === "auto";
                return number.getBoundingClientRect().right > reach || !scrolls;
            }).map((box) => box.textContent)"""
        )
        assert cut_off == [], f"at {width} px"


@pytest.mark.parametrize("page", ALL_PAGES)
def test_no_page_scrolls_sideways(tab, address, page):
    visit(tab, address + page)
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 900})
        for _ in range(2):  # folded and unfolded
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            unfold(tab)


@pytest.mark.parametrize("page", ALL_PAGES)
def test_everyone_can_read_a_page_by_day_and_by_night(tab, address, page):
    visit(tab, address + page)
    unfold(tab)
    views = [(1400, "dark"), (390, "light")]
    if "NumPy" not in page:  # the columns beside a lesson, by day, are those beside any page
        views.append((1400, "light"))
    for width, scheme in views:
        tab.set_viewport_size({"width": width, "height": 900})
        tab.emulate_media(color_scheme=scheme)
        tab.wait_for_timeout(300)  # the theme fades from one to the other
        # a formula has the colour of the text around it, and thousands of parts
        found = axe_core.Axe().run(tab, context={"exclude": [["mjx-container"]]})
        serious = [
            (violation["id"], node["html"][:200], node["failureSummary"])
            for violation in found.response["violations"]
            if violation["impact"] in ("serious", "critical")
            for node in violation["nodes"]
        ]
        assert serious == [], f"{scheme}, {width} px"


def test_pictures_have_light_ground_at_night(tab, address):
    for page in PAGES:
        tab.emulate_media(color_scheme="dark")
        tab.goto(address + page)
        grounds = tab.locator("article .cell_output img, article p > img").evaluate_all(
            "pictures => pictures.map((picture) => getComputedStyle(picture).backgroundColor)"
        )
        assert set(grounds) <= {"rgb(255, 255, 255)"}


# --- from page to page ---


def links(site, page):
    """Return the addresses that a page links to, absolute on the site, and the ids on it."""
    text = (site / page).read_text(encoding="utf-8")
    found = [html.unescape(link) for link in re.findall(r"<a\b[^>]*?\bhref=\"(.+?)\"", text)]
    return (
        {urljoin(f"/{page}", link) for link in found},
        set(re.findall(r"\bid=\"(.+?)\"", text)),
        dict(re.findall(r"<link rel=\"(next|prev)\" title=\".*?\" href=\"(.+?)\"", text)),
    )


def test_links_within_the_site_lead_somewhere(site):
    pages = [path.relative_to(site).as_posix() for path in site.rglob("*.html")]
    assert set(PAGES) < set(pages)
    found = {page: links(site, page) for page in pages}
    for page, (targets, _, _) in found.items():
        for target in targets:
            if not re.match(r"https?:|mailto:", target):
                name, anchor = urldefrag(unquote(target.lstrip("/")))
                assert (site / name).is_file(), f"{page}: {target}"
                if anchor and name in found:
                    assert anchor in found[name][1], f"{page}: {target}"


def test_next_and_previous_form_one_chain_lessons_in_order_then_labs(site):
    chain, page = [], "/book/index.html"
    while page and page not in chain:
        chain.append(page)
        following = links(site, page[1:])[2].get("next")
        before, page = page, following and urljoin(page, following)
        if page:
            assert urljoin(page, links(site, page[1:])[2]["prev"]) == before
    assert sorted(chain) == sorted(f"/{name}" for name in PAGES)

    def place(name):
        title = nbformat.read(ROOT / f"{name}.ipynb", as_version=4).cells[0].source
        number, letter = re.match(r"# (?:(\d+)|Lab (\w)) · ", title).groups()
        return (letter or "", int(number or 0))

    in_order = sorted(NOTEBOOKS, key=place)
    assert chain[1 : len(NOTEBOOKS) + 1] == [f"/{name}.html" for name in in_order]


def test_the_map_leads_to_every_notebook(tab, address):
    tab.goto(address)  # which leads on to the start page
    tab.wait_for_url("**/book/index.html")
    shown = tab.locator("ol.map a").evaluate_all("links => links.map((link) => link.href)")
    assert sorted(shown) == sorted(f"{address}{name}.html" for name in NOTEBOOKS)
    assert tab.locator("ol.map > li").count() == sum("Lab" not in name for name in NOTEBOOKS) - sum(
        "Clinic" in name for name in NOTEBOOKS
    )


def test_a_new_notebook_finds_its_place_by_its_first_cells(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT / "book")
    curriculum = importlib.import_module("curriculum")
    monkeypatch.setattr(curriculum, "ROOT", tmp_path)
    for file, title, needs in [
        ("char_level_lm/01_A.ipynb", "# 1 · First", "the chain rule"),
        (
            "char_level_lm/02_B_Lab.ipynb",
            "# Lab B · A lab",
            "[lesson 1](01_A.ipynb) and lessons 8 and 9",
        ),
        ("seq2seq/04_C.ipynb", "# 10 · Tenth", "lessons 1 to 9"),
        ("seq2seq/05_D.ipynb", "# 9 · Ninth", "[lesson 1](../char_level_lm/01_A.ipynb)"),
    ]:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        cells = [
            f"{title}\n\n**The question of this lesson, the last: why?**",
            f"| **You need** | {needs} |",
        ]
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(c) for c in cells])
        nbformat.write(notebook, tmp_path / file)
    lessons, labs = curriculum.read_curriculum()
    assert [(e["name"], e["docname"], e["needs"]) for e in lessons + labs] == [
        ("1", "char_level_lm/01_A", 0),
        ("9", "seq2seq/05_D", 1),
        ("10", "seq2seq/04_C", 9),
        ("B", "char_level_lm/02_B_Lab", 9),
    ]
    assert {e["question"] for e in lessons} == {"Why?"}


@pytest.mark.parametrize(
    "words, page",
    [
        ("bridge", "seq2seq/01_Encoder_Decoder_GRU_NumPy"),
        ("Kneser-Ney", "word_level_lm/02_LSTM_NumPy"),
    ],
)
def test_the_search_finds(tab, address, words, page):
    tab.goto(f"{address}book/index.html")
    box = tab.locator("input[name=q]:visible").first
    box.fill(words)
    box.press("Enter")
    tab.wait_for_selector(f"#search-results a[href*='{page}']")


# --- a notebook's page ---


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_can_be_opened_on_colab_and_downloaded(site, name):
    text = (site / f"{name}.html").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (address,) = re.findall(r'^Repository = "https://github.com/(.+)"', project, flags=re.M)
    assert (
        f'href="https://colab.research.google.com/github/{address}/blob/main/{name}.ipynb"' in text
    )
    (download,) = re.findall(r'<a class="[^"]*download[^"]*"[^>]* href="(.+?\.ipynb)"', text)
    copy = nbformat.read((site / f"{name}.html").parent / unquote(download), as_version=4)
    original = nbformat.read(ROOT / f"{name}.ipynb", as_version=4)
    assert [cell.source for cell in copy.cells] == [cell.source for cell in original.cells]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_equations_that_code_cites_are_links_to_them(tab, address, name):
    cells = nbformat.read(ROOT / f"{name}.ipynb", as_version=4).cells
    comments = re.findall(
        r"# .*", "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    )
    tagged = re.findall(r"\\tag\{([\d.]+)\}", "\n".join(cell.source for cell in cells))
    cited = {n for line in comments for n in re.findall(r"\((\d+\.\d+)\)", line)} & set(tagged)
    visit(tab, f"{address}{name}.html")
    linked = {link[1:-1] for link in tab.locator(".highlight .c1 a").all_text_contents()}
    assert cited <= linked
    for number in cited:
        target = tab.locator(f"[id='equation-{number}']")
        assert target.count() == 1
        assert f"({number})" in target.locator("mjx-assistive-mml").text_content()


def test_a_cited_equation_is_one_click_away_on_the_page_and_on_another(tab, address):
    visit(tab, f"{address}char_level_lm/02_LSTM_NumPy.html")
    tab.locator(".highlight .c1 a", has_text="(4.5)").first.click()
    assert tab.url.endswith("02_LSTM_NumPy.html#equation-4.5")
    assert tab.evaluate(
        "document.getElementById('equation-4.5').getBoundingClientRect().top < innerHeight"
    )
    tab.locator("article p a[href*='01_RNN_NumPy.html#equation-4.1']").first.click()
    tab.wait_for_url("**/char_level_lm/01_RNN_NumPy.html#equation-4.1")


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_link_into_a_long_page_leads_to_its_place(tab, address, site, name):
    last = re.findall(
        r'id="(equation-[\d.]+)"', (site / f"{name}.html").read_text(encoding="utf-8")
    )[-1]
    visit(tab, f"{address}{name}.html#{last}")
    tab.wait_for_timeout(300)
    assert 0 <= tab.locator(f"[id='{last}']").bounding_box()["y"] < 450


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_folded_code_opens_and_closes_with_the_keyboard(tab, address, name):
    visit(tab, f"{address}{name}.html")
    folds = tab.locator("details")
    assert folds.count() >= 3
    assert tab.locator("details[open]").count() == 0
    for fold in (folds.first, folds.last):
        for key, is_open in [("Enter", True), ("Space", False)]:
            fold.locator("summary").first.focus()
            tab.keyboard.press(key)
            assert fold.evaluate("fold => fold.open") == is_open
    code = tab.locator(".cell_input pre").first
    assert code.locator("xpath=../button[contains(@class, 'copybtn')]").count() == 1


# --- the sheet ---


def test_the_sheet_is_one_page_a4(tab, address):
    visit(tab, f"{address}book/sheet.html")
    pdf = tab.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 1
    (box,) = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    assert [round(float(side) / 72 * 25.4) for side in box] == [210, 297]
    tab.emulate_media(media="print")
    tab.set_viewport_size({"width": 710, "height": 900})  # the printed part of a page, 188 mm
    assert tab.locator(".table-wrapper").evaluate_all(
        "tables => tables.every((table) => table.scrollWidth <= table.clientWidth)"
    )


def test_the_site_is_small(site):
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) < 25_000_000
