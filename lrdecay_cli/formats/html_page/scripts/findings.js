// Filter for findings. Each finding links to its parameters if the page has the map.
{
  const articles = [...document.querySelectorAll("#findings .finding")];
  const about = (article) => DATA.findings[article.dataset.finding];
  const byName = DATA.parameters && new Map(PARAMETERS.map((each) => [each.name, each]));

  for (const article of byName ? articles : []) {
    const { code, parameters } = about(article);
    if (!parameters.some((name) => byName.has(name))) continue;
    const show = () => page.showList({ names: parameters, about: code });
    article.querySelector("details").before(
      element("button", { type: "button", class: "show", click: show }, `Show ${counted(parameters.length, "parameter")} in the list and the picture`));
    for (const item of article.querySelectorAll(".names code")) {
      const each = byName.get(item.textContent);
      if (each) item.replaceChildren(link(each.name, () => page.showParameter(each)));
    }
  }
  // The findings about a parameter.
  page.findingsOf = (each) => articles.filter((article) => about(article).parameters.includes(each.name)).map((article) => {
    const { code, name } = about(article);
    return link(`${code} ${name}`, () => {
      dialog.close();
      article.tabIndex = -1;
      article.focus();
    });
  });

  if (articles.length > 1) {
    const input = byId("finding-filter");
    const texts = articles.map((article) => article.textContent);
    const narrow = () => {
      const test = query(input.value) ?? (() => false);
      articles.forEach((article, index) => { article.hidden = !test(texts[index], ...about(article).parameters); });
      for (const block of document.querySelectorAll("#findings .of-config")) {
        block.hidden = !block.querySelector(".finding:not([hidden])");
      }
      const shown = articles.filter((article) => !article.hidden).length;
      const total = counted(articles.length, "finding");
      byId("finding-count").textContent = shown === articles.length ? total : `${shown} of ${total}`;
    };
    input.addEventListener("input", narrow);
    byId("finding-controls").hidden = false;
    narrow();
  }
}
