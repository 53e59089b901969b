// The text of a filter: a part of a name, or a pattern for the whole name. Patterns are those of --filter
// and of the reports: *, ? and [abc], {0-3,5,norm} for one of several labels, a backslash before a literal.
const TOKEN = /\\(.)|(\*)|(\?)|\[(!?)([^\]]+)\]|\{([^{}]*)\}/gsu;
const literally = (text) => text.replace(/[.*+?^${}()|[\]\\\/-]/g, "\\$&");

function choices(text) {
  return text.split(",").flatMap((item) => {
    const range = /^(\d+)-(\d+)$/.exec(item);
    const count = range ? range[2] - range[1] + 1 : 0;
    if (!range || count > 100000) return [item];
    return Array.from({ length: Math.max(0, count) }, (_, index) => String(Number(range[1]) + index));
  });
}

function expression(pattern) {
  let source = "";
  let end = 0;
  for (const token of pattern.matchAll(TOKEN)) {
    const [whole, literal, star, any, not, set, choice] = token;
    source += literally(pattern.slice(end, token.index));
    end = token.index + whole.length;
    if (literal !== undefined) source += literally(literal);
    else if (star) source += ".*";
    else if (any) source += ".";
    else if (set !== undefined) source += `[${not ? "^" : ""}${set.replace(/[\\\]^[]/g, "\\$&")}]`;
    else source += `(?:${choices(choice).map(literally).join("|")})`;
  }
  return new RegExp(`^(?:${source}${literally(pattern.slice(end))})$`, "s");
}

// A test for names and groups; null for an invalid pattern.
function query(text) {
  const typed = text.trim();
  if (!typed) return () => true;
  if (!/[*?[{\\]/.test(typed)) {
    const part = typed.toLowerCase();
    return (...texts) => texts.some((each) => each.toLowerCase().includes(part));
  }
  let whole;
  try { whole = expression(typed); } catch { return null; }
  return (...texts) => texts.some((each) => whole.test(each));
}
