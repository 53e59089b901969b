// Light, dark, or the system's theme. Stored if the browser allows storage for files.
{
  const button = byId("theme");
  const choices = ["", "light", "dark"];
  let now = "";
  const use = (choice) => {
    now = choices.includes(choice) ? choice : "";
    if (now) document.documentElement.dataset.theme = now;
    else delete document.documentElement.dataset.theme;
    button.querySelector("span").textContent = now || "system";
  };
  try { use(localStorage.getItem("lrdecay-theme")); } catch { use(""); }
  button.hidden = false;
  button.addEventListener("click", () => {
    use(choices[(choices.indexOf(now) + 1) % choices.length]);
    try { localStorage.setItem("lrdecay-theme", now); } catch { /* not remembered */ }
  });
}
