// Matches a few typed letters against many texts.

/** Returns whether each word occurs in the texts, or its letters occur in order in `names`: `ap3000` finds `api-1:3000`. */
export function matchesAll(words: string, names: string, more = ''): boolean {
  const all = `${names} ${more}`.toLowerCase();
  const short = names.toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every(word => all.includes(word) || isWithin(word, short));
}

function isWithin(word: string, text: string): boolean {
  if (word.length < 3) return false;
  let at = 0;
  for (const letter of word) {
    at = text.indexOf(letter, at) + 1;
    if (at === 0) return false;
  }
  return true;
}
