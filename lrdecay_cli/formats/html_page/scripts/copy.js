// A button that copies the Python to paste.
{
  const button = byId("copy");
  const code = byId("paste");
  // A page opened from disk may have no clipboard access: then select the code, to be copied by hand.
  const select = () => {
    const range = document.createRange();
    range.selectNodeContents(code);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    return false;
  };
  button.hidden = false;
  button.addEventListener("click", async () => {
    const copied = navigator.clipboard
      ? await navigator.clipboard.writeText(code.textContent).then(() => true, select)
      : select();
    button.textContent = copied ? "Copied" : "Selected: press Ctrl+C";
  });
}
