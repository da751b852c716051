// A box that scrolls can be reached by the keyboard; one that does not is no stop for it.
const boxes = new ResizeObserver((changes) => {
  for (const { target } of changes) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
document.querySelectorAll("pre, div.math, .table-wrapper").forEach((box) => boxes.observe(box));

// What the search shows of a page is plain text: a formula in it would be bare TeX.
document.addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined") return;
  const { htmlToText } = Search;
  Search.htmlToText = (page, anchor) =>
    htmlToText(page.replace(/\\\(.*?\\\)|\\\[.*?\\\]/gs, "…"), anchor);
});
