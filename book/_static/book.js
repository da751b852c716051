// A box that scrolls can be reached by the keyboard; one that does not is no stop for it.
const boxes = new ResizeObserver((changes) => {
  for (const { target } of changes) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
document.querySelectorAll("pre, div.math, .table-wrapper").forEach((box) => boxes.observe(box));

document.addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined") return;
  // A section named like the query comes before the pages that merely hold its words.
  Scorer.score = ([, , anchor, , score]) => (anchor ? score + 100 : score);
  // What the search shows of a page is plain text: a formula in it would be bare TeX.
  const { htmlToText } = Search;
  Search.htmlToText = (page, anchor) =>
    htmlToText(page.replace(/\\\(.*?\\\)|\\\[.*?\\\]/gs, "…"), anchor);
});

// Pictures and formulas change the height of a page after the browser has gone to a place on it: go there again.
const goToPlace = () => document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
window.addEventListener("load", () => {
  goToPlace();
  window.MathJax?.startup?.promise.then(goToPlace);
});
