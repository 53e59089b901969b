// A pattern in a note shows the parameters that it stands for, where there is a list to show them in.
if (DATA.parameters) {
  for (const code of document.querySelectorAll("#notes li li code")) {
    const [pattern, rest = ""] = code.textContent.split(/(?=  \()/, 2);
    const test = query(pattern);
    const names = DATA.parameters.names;
    // A sentence, such as a fix, is no pattern.
    if ((rest || !/\s/.test(pattern)) && test && names.some((name) => test(name))) {
      code.replaceChildren(link(pattern, () => page.showList?.({ text: pattern })), rest);
    }
  }
}
