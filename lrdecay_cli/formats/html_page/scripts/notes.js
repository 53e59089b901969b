// A pattern in a note links to its parameters if the page has their list.
if (DATA.parameters) {
  for (const code of document.querySelectorAll("#notes li li code")) {
    const [pattern, rest = ""] = code.textContent.split(/(?=  \()/, 2);
    const test = query(pattern);
    const names = DATA.parameters.names;
    // A sentence, such as a fix, is not a pattern.
    if ((rest || !/\s/.test(pattern)) && test && names.some((name) => test(name))) {
      code.replaceChildren(link(pattern, () => page.showList?.({ text: pattern })), rest);
    }
  }
}
