// One dialog for all details; the browser keeps the focus inside, closes it with Esc, and restores the focus.
const dialog = byId("dialog");
function openDialog(title, ...content) {
  byId("dialog-title").replaceChildren(...breakable(title));
  byId("dialog-body").replaceChildren(...content);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}
byId("dialog-close").addEventListener("click", () => dialog.close());
// A click on the backdrop targets the dialog element itself.
dialog.addEventListener("click", (event) => {
  if (event.target !== dialog) return;
  const box = dialog.getBoundingClientRect();
  const inside = event.clientX >= box.left && event.clientX <= box.right
    && event.clientY >= box.top && event.clientY <= box.bottom;
  if (!inside) dialog.close();
});

const definitions = (pairs) =>
  element("dl", {}, ...pairs.flatMap(([term, value]) => [element("dt", {}, term), element("dd", {}, value)]));
const plainTable = (label, titles, rows) =>
  element("div", { class: "scroll", role: "region", "aria-label": label, tabindex: "0" },
    element("table", {},
      element("thead", {}, element("tr", {}, ...titles.map((title) => element("th", { scope: "col" }, title)))),
      element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map((cell, index) =>
        index ? element("td", {}, cell) : element("th", { scope: "row" }, cell)))))));
