// Helpers. Text is always inserted as text: no code of the page parses a name as markup.
const byId = (id) => document.getElementById(id);
const DATA = JSON.parse(byId("data").textContent);
const counted = (number, noun) => `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}
const element = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const drawn = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
// A name that does not fit on a line breaks after its dots first.
const breakable = (text) => text.split(/(?<=\.)/).flatMap((part, index) => (index ? [element("wbr"), part] : [part]));
const link = (text, click) => element("button", { type: "button", class: "link", click }, ...breakable(text));
const isNumber = (value) => typeof value === "number";

// Parts of the page that other parts can call; a page may lack them.
const page = { showParameter: null, showList: null, findingsOf: () => [], listeners: [] };
const chosenChanged = (chosen) => page.listeners.forEach((listener) => listener(chosen));
